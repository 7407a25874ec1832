// For the tests of ordinary X.509 trust: extensions written by hand, and certificates of kinds that we never make.

import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { der } from './certificates.ts'

/** Extensions that only a bad or unusual CA would write. */
export const ext = {
  /** SAN with one DNS name. */
  dns: (name: string) => ({ oid: '2.5.29.17', value: der(0x30, der(0x82, Buffer.from(name))) }),
  ip: (...bytes: number[]) => ({ oid: '2.5.29.17', value: der(0x30, der(0x87, bytes)) }),
  usages: (...last: number[]) => ({
    oid: '2.5.29.37',
    value: der(0x30, ...last.map(n => der(0x06, [0x2b, 6, 1, 5, 5, 7, 3, n]))),
  }),
  anyUsage: { oid: '2.5.29.37', value: der(0x30, der(0x06, [0x55, 0x1d, 0x25, 0])) },
  /** Name constraints; `form` is the context tag of the general name. */
  names: (which: 'permitted' | 'excluded', form: number, base: string | Uint8Array) => ({
    oid: '2.5.29.30',
    value: der(0x30, der(which === 'permitted' ? 0xa0 : 0xa1, der(0x30, der(form, Buffer.from(base))))),
    critical: true,
  }),
  unknown: (critical: boolean) => ({ oid: '1.3.6.1.4.1.99999.1', value: Uint8Array.of(5, 0), critical }),
  broken: (oid: string) => ({ oid, value: Uint8Array.of(0x30, 0x05, 1), critical: false }),
}

/** Root and leaf made by openssl, with the algorithms given; and one that the leaf, no CA at all, has signed. */
export function madeByOpenssl(folder: string, algorithm: string[], digest: string[], further = false) {
  const file = (name: string) => join(folder, name)
  const run = (...args: string[]) => {
    const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
  }
  const read = (name: string) =>
    Buffer.from(readFileSync(file(name), 'latin1').replace(/-----[^-]+-----|\s/g, ''), 'base64')
  writeFileSync(file('ext'), 'subjectAltName=DNS:app.example.org\n')
  run(
    'req',
    '-x509',
    '-newkey',
    ...algorithm,
    '-nodes',
    '-subj',
    '/CN=r',
    '-days',
    '30',
    '-keyout',
    file('rk'),
    '-out',
    file('r'),
  )
  run('req', '-new', '-newkey', ...algorithm, '-nodes', '-subj', '/CN=l', '-keyout', file('lk'), '-out', file('q'))
  const sign = ['-CA', file('r'), '-CAkey', file('rk'), '-CAcreateserial', '-days', '30', '-extfile', file('ext')]
  run('x509', '-req', '-in', file('q'), ...sign, ...digest, '-out', file('l'))
  if (!further) return { root: read('r'), leaf: read('l'), below: new Uint8Array() }
  const again = ['-CA', file('l'), '-CAkey', file('lk'), '-CAcreateserial', '-days', '30', '-extfile', file('ext')]
  run('req', '-new', '-newkey', ...algorithm, '-nodes', '-subj', '/CN=b', '-keyout', file('bk'), '-out', file('bq'))
  run('x509', '-req', '-in', file('bq'), ...again, ...digest, '-out', file('b'))
  return { root: read('r'), leaf: read('l'), below: read('b') }
}
