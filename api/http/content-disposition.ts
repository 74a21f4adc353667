/** Characters that may stand unquoted-encoded in an extended parameter value (RFC 8187 §3.2.1, attr-char). */
const attributeCharacter = /[A-Za-z0-9!#$&+.^_`|~-]/;
/**
 * What every recipient reads the same way inside a quoted string: some browsers decode percent signs, and old versions
 * of aiohttp end the parameter at a semicolon.
 */
const plain = /^[A-Za-z0-9 !#$&'()+,.=@[\]^_`{}~-]*$/;

function encodeExtended(value: string): string {
  let encoded = '';
  for (const byte of Buffer.from(value)) {
    const character = String.fromCharCode(byte);
    encoded += attributeCharacter.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

/** Last component of a path, so that no recipient sees a directory in the name. */
function baseName(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}

/**
 * `Content-Disposition` that saves the content as a file of any name (RFC 6266): ASCII names as they are, others with
 * `filename*` and an ASCII stand-in for old recipients. The value is plain ASCII without line breaks whatever the name.
 */
export function attachment(fileName: string): string {
  const name = baseName(fileName).toWellFormed();
  if (plain.test(name)) return `attachment; filename="${name}"`;
  const standIn = Array.from(name, (character) => (plain.test(character) ? character : '_')).join('');
  return `attachment; filename="${standIn}"; filename*=UTF-8''${encodeExtended(name)}`;
}
