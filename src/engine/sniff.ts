// The media type that Go's net/http server gives to a body whose sender named none (DetectContentType, which follows
// the WHATWG MIME Sniffing standard). Containers written for Go's queue-proxy get it without knowing.

interface Signature {
  readonly type: string
  matches(data: Uint8Array, textStart: number): boolean
}

/** Go looks at no more than this. */
export const sniffBytes = 512

const bytesOf = (text: string): number[] => [...text].map(char => char.charCodeAt(0))

/** Bytes that must stand at the start; `undefined` lets any byte stand there. */
function starts(type: string, pattern: readonly (number | undefined)[]): Signature {
  return {
    type,
    matches: data =>
      data.length >= pattern.length && pattern.every((byte, i) => byte === undefined || data[i] === byte),
  }
}

const gap = [undefined, undefined, undefined, undefined] as const
const riff = (type: string, kind: string): Signature => starts(type, [...bytesOf('RIFF'), ...gap, ...bytesOf(kind)])

/** A tag after white space, in either case, ended by a space or `>`. */
function html(tag: string): Signature {
  const pattern = bytesOf(tag)
  return {
    type: 'text/html; charset=utf-8',
    matches(data, textStart) {
      const end = data[textStart + pattern.length]
      if (end !== 0x20 && end !== 0x3e) return false
      return pattern.every((want, i) => {
        const got = data[textStart + i] ?? 0
        return got === want || (got >= 0x61 && got <= 0x7a && got - 0x20 === want)
      })
    },
  }
}

const xml: Signature = {
  type: 'text/xml; charset=utf-8',
  matches: (data, textStart) => bytesOf('<?xml').every((byte, i) => data[textStart + i] === byte),
}

/** ISO base media: a box `ftyp` whose brands begin with mp4. */
const mp4: Signature = {
  type: 'video/mp4',
  matches(data) {
    if (data.length < 12) return false
    const size = new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(0)
    if (data.length < size || size % 4 !== 0) return false
    const at = (offset: number, text: string): boolean => bytesOf(text).every((byte, i) => data[offset + i] === byte)
    if (!at(4, 'ftyp')) return false
    for (let brand = 8; brand < size; brand += 4) {
      // Bytes 12 to 15 are a version, not a brand.
      if (brand !== 12 && at(brand, 'mp4')) return true
    }
    return false
  },
}

const text: Signature = {
  type: 'text/plain; charset=utf-8',
  matches: (data, textStart) =>
    data
      .subarray(textStart)
      .every(byte => byte > 0x1f || byte === 0x1b || byte === 0x09 || byte === 0x0a || byte === 0x0c || byte === 0x0d),
}

const tags = '!DOCTYPE HTML,HTML,HEAD,SCRIPT,IFRAME,H1,DIV,FONT,TABLE,A,STYLE,TITLE,B,BODY,BR,P,!--'

const signatures: readonly Signature[] = [
  ...tags.split(',').map(tag => html(`<${tag}`)),
  xml,
  starts('application/pdf', bytesOf('%PDF-')),
  starts('application/postscript', bytesOf('%!PS-Adobe-')),
  starts('text/plain; charset=utf-16be', [0xfe, 0xff, undefined, undefined]),
  starts('text/plain; charset=utf-16le', [0xff, 0xfe, undefined, undefined]),
  starts('text/plain; charset=utf-8', [0xef, 0xbb, 0xbf, undefined]),
  starts('image/x-icon', [0, 0, 1, 0]),
  starts('image/x-icon', [0, 0, 2, 0]),
  starts('image/bmp', bytesOf('BM')),
  starts('image/gif', bytesOf('GIF87a')),
  starts('image/gif', bytesOf('GIF89a')),
  riff('image/webp', 'WEBPVP'),
  starts('image/png', [0x89, ...bytesOf('PNG'), 0x0d, 0x0a, 0x1a, 0x0a]),
  starts('image/jpeg', [0xff, 0xd8, 0xff]),
  starts('audio/aiff', [...bytesOf('FORM'), ...gap, ...bytesOf('AIFF')]),
  starts('audio/mpeg', bytesOf('ID3')),
  starts('application/ogg', bytesOf('OggS\0')),
  starts('audio/midi', [...bytesOf('MThd'), 0, 0, 0, 6]),
  riff('video/avi', 'AVI '),
  riff('audio/wave', 'WAVE'),
  mp4,
  starts('video/webm', [0x1a, 0x45, 0xdf, 0xa3]),
  starts('application/vnd.ms-fontobject', [...new Array<undefined>(34), ...bytesOf('LP')]),
  starts('font/ttf', [0, 1, 0, 0]),
  starts('font/otf', bytesOf('OTTO')),
  starts('font/collection', bytesOf('ttcf')),
  starts('font/woff', bytesOf('wOFF')),
  starts('font/woff2', bytesOf('wOF2')),
  starts('application/x-gzip', [0x1f, 0x8b, 0x08]),
  starts('application/zip', [...bytesOf('PK'), 3, 4]),
  starts('application/x-rar-compressed', [...bytesOf('Rar!'), 0x1a, 7, 0]),
  starts('application/x-rar-compressed', [...bytesOf('Rar!'), 0x1a, 7, 1, 0]),
  starts('application/wasm', [0, ...bytesOf('asm')]),
  text,
]

/** @param body the first bytes of a body, at least one; more than 512 are not looked at */
export function sniffContentType(body: Uint8Array): string {
  const data = body.subarray(0, sniffBytes)
  let textStart = 0
  while ([0x09, 0x0a, 0x0c, 0x0d, 0x20].includes(data[textStart] ?? 0)) textStart++
  return signatures.find(signature => signature.matches(data, textStart))?.type ?? 'application/octet-stream'
}
