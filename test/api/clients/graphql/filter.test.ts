import { describe, expect, it } from 'vitest';
import { parseFilter, parseOrder } from '../../../../api/clients/graphql/filter.ts';
import { type FolderRow, toRow } from '../../../../api/clients/graphql/row.ts';

function row(name: string, given: Partial<Parameters<typeof toRow>[0]> = {}): FolderRow {
  return toRow({
    id: '01a211a9-3add-79a3-b7b3-8eacc2198083',
    volume: 'local',
    ownerId: '01a211a7-5616-7955-920b-195da1659527',
    ownerEmail: 'ada@example.org',
    quotaBytes: 1_000,
    quotaFiles: 10,
    usedBytes: 0,
    usedFiles: 3,
    trashBytes: 0,
    trashFiles: 0,
    reservedBytes: 0,
    reservedFiles: 0,
    directories: 0,
    usageAsOf: new Date(0),
    createdAt: new Date('2026-01-02T00:00:00Z'),
    usageMode: 'general',
    cloneable: false,
    defaultPermission: 'rw',
    name,
    permission: 'rd',
    isOwner: true,
    ...given,
  });
}

describe('parseFilter', () => {
  it.each([
    ['name == "a"', true],
    ['name != "a"', false],
    ['name ilike "A%" & num_files > 2', true],
    ['name == "b" | name == "a"', true],
    ['name == "b" | name == "a" & num_files > 3', false],
    ['(name == "b" | name == "a") & num_files >= 3', true],
    ['permission in ["READ_ONLY", "OWNER_PERM"]', true],
    ['permission == "ro"', false],
    ['status == "READY"', true],
    ['created_at >= "2026-01-01" & created_at < "2027-01-01"', true],
    ['group is null', true],
    ['cloneable isnot true', true],
    ['id == "01a211a93add79a3b7b38eacc2198083"', true],
    ['name contains "\\"" | name like "_"', true],
    ['name in []', false],
  ])('finds by %s: %s', (filter, isFound) => {
    expect(parseFilter(filter)(row('a'))).toBe(isFound);
  });

  it.each([
    '',
    'name',
    'name ==',
    'name = "a"',
    'name == a',
    'secret == "a"',
    '__proto__ == "a"',
    'name constructor "a"',
    'name == "a" name == "b"',
    '(name == "a"',
    'name in ["a" "b"]',
    'name in "a"',
    'name == "a',
    '; DROP TABLE',
    `${'('.repeat(30)}name == "a"${')'.repeat(30)}`,
    `name == "${'a'.repeat(5_000)}"`,
  ])('refuses %s with a sentence', (filter) => {
    expect(() => parseFilter(filter)).toThrowError(/^The filter is not understood: .+\.$/);
  });
});

describe('parseOrder', () => {
  it('sorts by several columns, each in its direction', () => {
    const rows = [row('b', { usedFiles: 1 }), row('a', { usedFiles: 1 }), row('c', { usedFiles: 2 })];
    expect(rows.toSorted(parseOrder('-num_files,+name')).map(({ name }) => name)).toEqual(['c', 'a', 'b']);
  });

  it.each(['', 'nothing', '-', 'name,', '--name'])('refuses %j', (order) => {
    expect(() => parseOrder(order)).toThrowError(/is no column/);
  });

  it('refuses more columns than there are, for each pair of folders may be compared by all of them', () => {
    const order = Array.from({ length: 17 }, () => 'group');
    expect(parseOrder(order.slice(1).join(','))).toBeTypeOf('function');
    expect(() => parseOrder(order.join(','))).toThrowError(/^The order is not understood: .+ 16 columns\.$/);
  });
});
