// What it prints is what a running CA's evidence says: a policy that names it takes this CA, and no other of the same enclave.

import t from 'tap'
import { toHex } from '../../src/base/bytes.ts'
import { showState } from '../../src/cli/ca.ts'
import { digestOptions } from '../../src/cli/ca-digest.ts'
import { policyDigest } from '../../src/config/policy.ts'
import { syntheticRootPem } from '../../src/demo/tee.ts'
import { caMrenclave, document, startCa } from '../support/provision.ts'
import { ed25519Key } from '../support/signed.ts'

const others = document({ operators: [{ kid: 'mallory', jwk: ed25519Key().jwk }] })
const files = new Map([
  ['options.json', document()],
  ['others.json', others],
  ['none.json', document({ operators: [] })],
])

function ioOf() {
  const said: string[] = []
  return {
    readFile: (path: string): Uint8Array => Buffer.from(files.get(path) ?? ''),
    write: (text: string): void => void said.push(text),
    warn: () => {},
    now: () => Date.now(),
    said,
  }
}

function digestOf(path: string): string {
  const io = ioOf()
  t.equal(digestOptions({ verb: 'ca digest', values: {}, positionals: [path] }, io), 0)
  return io.said.join('').trimEnd()
}

t.test('a CA with these options is taken, one with other operators in the same enclave is not', async t => {
  const digest = digestOf('options.json')
  t.match(digest, /^[0-9a-f]{64}$/)
  for (const [options, taken] of [
    ['options.json', true],
    ['others.json', false],
  ] as const) {
    const running = await startCa({ policyDigest: policyDigest(Buffer.from(files.get(options) ?? '')) })
    t.teardown(() => running.drain())
    const policy = {
      version: 1,
      name: 'demo',
      identity: { source: 'provision', provision: { url: `https://127.0.0.1:${running.port}`, accept: 'ca' } },
      upstream: { mode: 'plaintext' },
      peers: { ca: { enclaves: [{ mrenclave: toHex(caMrenclave) }], policyDigests: [digest] } },
      dangerSyntheticRoot: syntheticRootPem,
    }
    files.set('policy.json', JSON.stringify(policy))
    const state = showState({ verb: 'ca state', values: { policy: 'policy.json' }, positionals: [] }, ioOf())
    if (taken) t.equal(await state, 0)
    else
      await t.rejects(state, { code: 'issuer-untrusted', message: `policy: want ${digest}, got ${digestOf(options)}` })
  }
})

t.test('options with which no CA would start have none', async t => {
  t.throws(() => digestOf('none.json'), { code: 'options-invalid', message: /somebody who may unlock it/ })
})
