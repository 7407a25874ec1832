import t from 'tap'
import { sniffBytes, sniffContentType } from '../../src/engine/sniff.ts'

const text = 'text/plain; charset=utf-8'
const html = 'text/html; charset=utf-8'
const binary = 'application/octet-stream'

/** The cases of Go's net/http sniff_test.go first, then each further signature and its near misses. */
const rows: [name: string, body: string, type: string][] = [
  ['nothing', '', text],
  ['binary bytes', '\x01\x02\x03', binary],
  ['HTML', '<HtMl><bOdY>blah blah blah</body></html>', html],
  ['HTML with white space', '   <HTML>', html],
  ['HTML with a line feed', '\n<!DOCTYPE html>', html],
  ['a cut tag', '<HTM', text],
  ['a tag that goes on', '<HTMLX>', text],
  ['a tag without its end', '<html', text],
  ['a one-letter tag', '<b >', html],
  ['a comment', '<!-- x', html],
  ['plain text', 'This is not HTML. It has ☃ though.', text],
  ['XML', '\n<?xml!', 'text/xml; charset=utf-8'],
  ['XML in capitals', '<?XML', text],
  ['Windows icon', '\x00\x00\x01\x00', 'image/x-icon'],
  ['Windows cursor', '\x00\x00\x02\x00', 'image/x-icon'],
  ['BMP', 'BM...', 'image/bmp'],
  ['GIF 87a', 'GIF87a...', 'image/gif'],
  ['GIF 89a', 'GIF89a...', 'image/gif'],
  ['WebP', 'RIFF\x00\x00\x00\x00WEBPVP', 'image/webp'],
  ['PNG', '\x89PNG\x0D\x0A\x1A\x0A', 'image/png'],
  ['JPEG', '\xFF\xD8\xFF', 'image/jpeg'],
  ['AIFF', 'FORM\x00\x00\x00\x00AIFF', 'audio/aiff'],
  ['MP3', 'ID3\x03\x00\x00\x00\x00\x0f', 'audio/mpeg'],
  ['Ogg', 'OggS\x00\x02\x00\x00', 'application/ogg'],
  ['MIDI', 'MThd\x00\x00\x00\x06\x00\x01', 'audio/midi'],
  ['half of MIDI', 'MThd\x00\x00\x00\x05', binary],
  ['AVI', 'RIFF\x00\x00\x00\x00AVI \x00', 'video/avi'],
  ['WAVE', 'RIFF\x00\x00\x00\x00WAVE', 'audio/wave'],
  ['another RIFF', 'RIFF\x00\x00\x00\x00XXXX', binary],
  ['MP4', '\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom<\x06t\xbfmp4a', 'video/mp4'],
  ['MP4 by its second brand', '\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp41', 'video/mp4'],
  ['a box with no such brand', '\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isomavc1', binary],
  ['a box that is not there in full', '\x00\x00\x00\x20ftypmp42\x00\x00\x00\x00', binary],
  ['a box of odd size', '\x00\x00\x00\x0dftypmp42\x00\x00', binary],
  ['a brand where the version stands', '\x00\x00\x00\x10ftypisommp42', binary],
  ['another box', '\x00\x00\x00\x10moovmp42mp42', binary],
  ['a box cut short', '\x00\x00\x00\x18ftyp', binary],
  ['WebM', '\x1A\x45\xDF\xA3', 'video/webm'],
  ['TTF', '\x00\x01\x00\x00', 'font/ttf'],
  ['OTF', 'OTTO\x00', 'font/otf'],
  ['a font collection', 'ttcf\x00\x01', 'font/collection'],
  ['WOFF', 'wOFF', 'font/woff'],
  ['WOFF2', 'wOF2', 'font/woff2'],
  ['EOT', `${'\x00'.repeat(34)}LP`, 'application/vnd.ms-fontobject'],
  ['gzip', '\x1F\x8B\x08\x00', 'application/x-gzip'],
  ['zip', 'PK\x03\x04', 'application/zip'],
  ['RAR 1.5', 'Rar!\x1A\x07\x00', 'application/x-rar-compressed'],
  ['RAR 5', 'Rar!\x1A\x07\x01\x00', 'application/x-rar-compressed'],
  ['no RAR', 'Rar!\x1A\x07\x02', binary],
  ['WebAssembly', '\x00asm\x01\x00\x00\x00', 'application/wasm'],
  ['PDF', '%PDF-1.7', 'application/pdf'],
  ['PostScript', '%!PS-Adobe-3', 'application/postscript'],
  ['UTF-16, big end first', '\xfe\xff\x00a', 'text/plain; charset=utf-16be'],
  ['UTF-16, little end first', '\xff\xfea\x00', 'text/plain; charset=utf-16le'],
  ['UTF-8 with its mark', '\xef\xbb\xbfa', text],
  ['UTF-8 with nothing but its mark', '\xef\xbb\xbf', text],
  ['control characters that text may have', 'a\t\n\f\r\x1b', text],
  ['one that it may not have', 'a\x0b', binary],
]

for (const [name, body, type] of rows) {
  t.test(`${name} is ${type}`, async t => {
    t.equal(sniffContentType(Buffer.from(body, body.includes('☃') ? 'utf8' : 'latin1')), type)
  })
}

t.test('what stands beyond the first bytes is not looked at', async t => {
  t.equal(sniffContentType(Buffer.from(`${'a'.repeat(sniffBytes)}\x00`)), text)
  t.equal(sniffContentType(Buffer.from(`${'a'.repeat(sniffBytes - 1)}\x00`)), binary)
})
