/**
 * Tells whether a text matches a pattern of SQL's LIKE: `%` any number of characters, `_` exactly one. Takes at most
 * the product of both lengths, whatever the pattern.
 */
export function isLike(text: string, pattern: string): boolean {
  const letters = [...text];
  const signs = [...pattern];
  let letter = 0;
  let sign = 0;
  let star = -1;
  let resume = 0;
  while (letter < letters.length) {
    if (signs[sign] === '%') {
      star = sign;
      resume = letter;
      sign += 1;
    } else if (sign < signs.length && (signs[sign] === '_' || signs[sign] === letters[letter])) {
      letter += 1;
      sign += 1;
    } else if (star === -1) {
      return false;
    } else {
      // The last `%` takes one character more.
      resume += 1;
      letter = resume;
      sign = star + 1;
    }
  }
  return signs.slice(sign).every((rest) => rest === '%');
}
