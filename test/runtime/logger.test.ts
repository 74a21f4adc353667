import { describe, expect, it } from 'vitest';
import { createLogger } from '../../runtime/logger.ts';

function record(write: (logger: ReturnType<typeof createLogger>) => void): Record<string, unknown> {
  const lines: string[] = [];
  write(
    createLogger({ role: 'test', level: 'info', destination: { write: (line) => void lines.push(line) } }),
  );
  expect(lines).toHaveLength(1);
  return JSON.parse(lines[0] ?? '');
}

describe('createLogger', () => {
  it('writes one JSON line with time, level, role and the event', () => {
    const line = record((logger) => logger.info({ job_id: 'j' }, 'job.finished'));
    expect(line).toMatchObject({
      level: 'info',
      role: 'test',
      pid: process.pid,
      job_id: 'j',
      msg: 'job.finished',
    });
    expect(new Date(String(line.time)).getTime()).toBeGreaterThan(0);
  });

  it('never shows credentials', () => {
    const line = record((logger) =>
      logger.info({ secretKey: 's3cr3t', headers: { authorization: 's3cr3t', cookie: 's3cr3t' } }, 'x.y'),
    );
    expect(JSON.stringify(line)).not.toContain('s3cr3t');
  });

  it('keeps the parameters of a failed statement out, and its causes in', () => {
    const error = Object.assign(
      new Error('Failed query: select $1\nparams: s3cr3t,two\nlines', { cause: new Error('deadlock') }),
      {
        params: ['s3cr3t'],
        query: 'select $1',
      },
    );
    const line = record((logger) => logger.error({ err: error }, 'query.failed'));
    expect(JSON.stringify(line)).not.toContain('s3cr3t');
    expect(line.err).toMatchObject({ message: expect.stringContaining('Failed query: select $1') });
    expect(JSON.stringify(line.err)).toContain('deadlock');
  });
});
