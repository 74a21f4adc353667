import { randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createCentralDirectory } from '../../../storage/archive/central-directory.ts';
import { type CentralNote, createCentralNotes } from '../../../storage/archive/central-notes.ts';
import { centralRecord } from '../../../storage/archive/zip-format.ts';
import { type Dice, makeDice } from '../../e2e/chaos/dice.ts';

const seed = Number(process.env.VFOLDER_TEST_FUZZ_SEED ?? randomInt(2 ** 31));

const sizes = [0, 1, 127, 128, 16_384, 0xffff_fffe, 0xffff_ffff, 2 ** 40];
const times = [0, -1, 1.5, 1_700_000_000, 2 ** 31, 2 ** 32, -(2 ** 40), 2 ** 60, Number.MAX_VALUE];

/** Begins as the one before, more or less; now and then as long as names get. */
function nextName(dice: Dice, before: string): string {
  if (dice.happens(0.005)) return 'x'.repeat(65_535);
  const kept = before.slice(0, Math.min(300, dice.below(before.length + 1)));
  return `${kept}/${'é'.repeat(dice.below(3))}${dice.below(1000)}`;
}

function nextEntry(dice: Dice, name: string): CentralNote['entry'] {
  const mode = dice.pick([0o040755, 0o100644, 0o100644]);
  const time = dice.happens(0.3) ? dice.pick(times) : 1_700_000_000 + dice.below(100);
  return { name: Buffer.from(name), mode, time };
}

function nextContent(dice: Dice): CentralNote['content'] {
  const sizeBytes = dice.happens(0.3) ? dice.pick(sizes) : dice.below(5000);
  const isDeflated = dice.happens(0.5);
  return {
    method: isDeflated ? 8 : 0,
    crc32: dice.happens(0.2) ? 0 : dice.below(2 ** 32),
    packedBytes: isDeflated ? Math.floor(sizeBytes / 2) : sizeBytes,
    sizeBytes,
    hasDescriptor: dice.happens(0.2),
  };
}

/** Notes of every kind, in the order of their offsets; some follow the one before at once, others do not. */
function randomNotes(count: number): CentralNote[] {
  const dice = makeDice(seed, 'notes');
  let offset = 0;
  let name = '';
  return Array.from({ length: count }, () => {
    name = nextName(dice, name);
    const note = { entry: nextEntry(dice, name), content: nextContent(dice), offset };
    const gap = dice.happens(0.3) ? dice.below(1e12) : 0;
    offset += note.content.packedBytes + 39 + note.entry.name.length + gap;
    return note;
  });
}

describe(`what is noted for the end of a zip (VFOLDER_TEST_FUZZ_SEED=${seed})`, () => {
  it('gives back every note as it was, in their order', () => {
    const notes = createCentralNotes();
    const given = randomNotes(3000);
    for (const note of given) notes.add(note);
    for (let round = 0; round < 2; round += 1) {
      let index = 0;
      for (const found of notes.read()) {
        const note = given[index];
        expect(found.offset).toBe(note?.offset);
        expect(found.content).toEqual(note?.content);
        expect(Buffer.compare(found.entry.name, note?.entry.name ?? Buffer.alloc(0))).toBe(0);
        expect(found.entry.mode).toBe(note?.entry.mode);
        index += 1;
      }
      expect(index).toBe(given.length);
    }
  });

  it('makes the same records as each entry by itself, in one buffer that is used again', () => {
    const central = createCentralDirectory();
    const given = randomNotes(3000);
    const wanted = Buffer.concat(
      given.map(({ entry, content, offset }) => centralRecord(entry, content, offset)),
    );
    for (const note of given) central.add(note);
    expect(central.entries).toBe(given.length);
    expect(central.sizeBytes).toBe(wanted.length);
    const buffer = Buffer.alloc(central.chunkBytes);
    let at = 0;
    for (const chunk of central.chunks(() => buffer)) {
      expect(Buffer.compare(chunk, wanted.subarray(at, at + chunk.length))).toBe(0);
      at += chunk.length;
      buffer.fill(0xff);
    }
    expect(at).toBe(wanted.length);
  });

  it('is nothing for a zip of nothing', () => {
    const central = createCentralDirectory();
    expect([...central.chunks(() => Buffer.alloc(0))]).toEqual([]);
    expect(central.sizeBytes).toBe(0);
  });
});
