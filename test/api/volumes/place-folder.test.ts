import { describe, expect, it } from 'vitest';
import { roomiest } from '../../../api/volumes/place-folder.ts';

const volume = (name: string, bytesFree: number, inodesFree = 10, inodesTotal = 100) => ({
  name,
  capacity: { bytesFree, bytesTotal: 1_000_000, inodesFree, inodesTotal },
});

describe('roomiest', () => {
  it('takes the volume with the most room, wherever it stands', () => {
    expect(roomiest([volume('a', 10), volume('b', 30), volume('c', 20)])?.name).toBe('b');
    expect(roomiest([volume('a', 30), volume('b', 20)])?.name).toBe('a');
  });

  it('takes the first of those that are alike, however little they differ', () => {
    expect(roomiest([volume('a', 1_000), volume('b', 1_000)])?.name).toBe('a');
    expect(roomiest([volume('a', 990), volume('b', 1_000)])?.name).toBe('a');
    expect(roomiest([volume('a', 989), volume('b', 1_000)])?.name).toBe('b');
  });

  it('takes none without inodes while another has some, and does not ask those that count none', () => {
    expect(roomiest([volume('a', 1_000, 0), volume('b', 10)])?.name).toBe('b');
    expect(roomiest([volume('a', 1_000, 0, 0), volume('b', 10)])?.name).toBe('a');
    expect(roomiest([volume('a', 1_000, 0), volume('b', 0)])?.name).toBe('a');
  });

  it('takes none of none', () => {
    expect(roomiest([])).toBeUndefined();
  });
});
