import { describe, expect, it } from 'vitest';
import {
  archiveBytesMax,
  archiveLimitReached,
  archivesOpenMax,
  archivesStoredMax,
} from '../../domain/archive-limits.ts';

const none = { open: 0, stored: 0, storedBytes: 0 };

describe('the limits on archives', () => {
  it('let a user have archives up to each of them, and not one more', () => {
    expect(archiveLimitReached({ ...none, open: archivesOpenMax - 1 })).toBe(null);
    expect(archiveLimitReached({ ...none, open: archivesOpenMax })).toBe('open');
    expect(archiveLimitReached({ ...none, stored: archivesStoredMax - 1 })).toBe(null);
    expect(archiveLimitReached({ ...none, stored: archivesStoredMax })).toBe('stored');
    expect(archiveLimitReached({ ...none, stored: archivesStoredMax - 2, open: 2 })).toBe('stored');
    expect(archiveLimitReached({ ...none, storedBytes: archiveBytesMax - 1 })).toBe(null);
    expect(archiveLimitReached({ ...none, storedBytes: archiveBytesMax })).toBe('stored');
  });
});
