// A multipart/related answer (RFC 2387) -> the bytes of its parts.

const CRLF = [13, 10];

/**
 * Take a body apart.
 *
 * @param {ArrayBuffer} body What came.
 * @param {string} contentType The answer's Content-Type, which names the boundary.
 * @returns {ArrayBuffer[]} The parts, without their headers.
 * @throws {Error} It is no multipart answer, or it broke off.
 */
export function parts(body, contentType) {
  const found = /boundary="?([^";]+)"?/i.exec(contentType ?? '');
  if (!/^multipart\/related/i.test(contentType ?? '') || found === null) {
    throw new Error(`not a multipart answer but ${contentType}`);
  }
  const bytes = new Uint8Array(body);
  const delimiter = new TextEncoder().encode(`--${found[1]}`);
  const result = [];
  let at = indexOf(bytes, delimiter, 0);
  while (at >= 0) {
    const start = at + delimiter.length;
    if (bytes[start] === 45 && bytes[start + 1] === 45) { // "--": the last delimiter
      return result;
    }
    const content = indexOf(bytes, [...CRLF, ...CRLF], start) + 4;
    at = indexOf(bytes, [...CRLF, ...delimiter], content);
    if (content < 4 || at < 0) {
      break;
    }
    result.push(body.slice(content, at));
    at += CRLF.length;
  }
  throw new Error('the answer broke off');
}

function indexOf(bytes, wanted, from) {
  for (let at = bytes.indexOf(wanted[0], from); at >= 0; at = bytes.indexOf(wanted[0], at + 1)) {
    let length = 1;
    while (length < wanted.length && bytes[at + length] === wanted[length]) {
      length += 1;
    }
    if (length === wanted.length) {
      return at;
    }
  }
  return -1;
}
