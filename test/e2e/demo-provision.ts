// The tour of the attesting CA as a visitor runs it: four processes that trust nothing but measurements; and that it can
// fail, without which its rows would prove nothing.

import { existsSync } from 'node:fs'
import t from 'tap'
import { portBase, source, spoil, type Told } from '../support/demo.ts'
import { ask, start, until } from '../support/process.ts'

// Half a minute each, most of it waiting for certificates to end; on a busy machine more.
t.setTimeout(300_000)
const tourMs = 120_000

t.test('every row is as it should be', async t => {
  const demo = start(t, ['demo', '--identity', 'provision', '--exit', '--json', '--port-base', `${await portBase()}`])
  t.match(await demo.exit, { code: 0, signal: null })
  t.equal(demo.stderr(), '')
  const told = JSON.parse(demo.stdout()) as Told
  t.match(told, { synthetic: true, good: true })
  for (const row of told.rows) {
    t.equal(row.got, row.want, row.what)
    t.ok(row.good && row.why !== '', row.what)
  }
  t.same(
    told.rows.map(({ got }) => got.replace(/^whole; [4-9] /, 'whole; some ')),
    [
      '1, and its evidence is accepted',
      'locked: no handshake, 503 to the kubelet',
      'unlocked',
      'refused by boot',
      '200 by kn-user-default, data-plane.knative.dev',
      'refused by mrenclave',
      'refused by debug',
      'refused by policy-set',
      '3 changes, 0 failed, 4 connections kept',
      'refused by mrenclave, 0 bytes',
      'whole; some issued, 0 to others',
      'CA: exit 0; served, 0 failed; then no handshake',
      'refused by ca',
      'unlocked, 200, 0 failed',
      '503 to the kubelet, 0 failed',
      'exit 0, 0, 0',
    ],
  )
  t.match(told.rows[4]?.why, /the certificate says: SYNTHETIC, NOT ATTESTED$/)
})

t.test('rows that are not as they should be are marked, and it stays for whoever wants to look', async t => {
  const node = spoil(`import { askers } from '${source('demo/provision/askers.ts')}'
    askers[0].rule = 'debug'
    delete askers[2].policyDigest`)
  const base = await portBase()
  const demo = start(t, ['demo', '--identity', 'provision', '--port-base', `${base}`], { node })
  await until('the invitation', () => demo.stdout().includes('Everything stays up until Ctrl-C'), tourMs)
  const text = demo.stdout()
  t.match(text, /^SYNTHETIC evidence throughout/)
  const marked = text.match(/^!! .*\n.*$/gm) ?? []
  t.same(
    marked.map(row => row.replace(/ +/g, ' ').replace(/\d+ issued/g, 'N issued')),
    [
      '!! the CA is asked by: an enclave with other code refused by mrenclave\n should have been: refused by debug',
      '!! the CA is asked by: the proxy under a policy of its own a certificate\n should have been: refused by policy-set',
      "!! the CA's log, by postern ca audit whole; N issued, 0 to others\n should have been: whole; N issued, 0 to others",
    ],
  )
  const [issued, taken] = [...(marked[2] ?? '').matchAll(/(\d+) issued/g)].map(([, count]) => Number(count))
  t.equal((issued ?? 0) - (taken ?? 0), 1, 'one was issued that the proxy has not taken')
  t.match(text, 'NOT as it should be')
  const policy = /ca state --policy (\S+)/.exec(text)?.[1] ?? ''
  t.ok(existsSync(policy), 'what it says to try is there')
  t.match(await ask(base + 1, { path: '/hello', tls: true }), { status: 200, body: /hello from the function/ })
  demo.signal('SIGINT')
  t.match(await demo.exit, { code: 1, signal: null })
  t.match(demo.stdout(), /\nleaving\n$/)
  t.equal(demo.stderr(), '')
  t.notOk(existsSync(policy), 'and gone with it')
})

t.test('another source is a mistake of usage, and the help names those that there are', async t => {
  const wrong = start(t, ['demo', '--identity', 'vault', '--exit'])
  t.match(await wrong.exit, { code: 64, signal: null })
  t.equal(wrong.stderr(), 'postern demo: --identity: want self-signed or provision, got "vault"\n')
  const help = start(t, ['demo', '--help'])
  t.match(await help.exit, { code: 0 })
  t.match(help.stdout(), /--identity NAME +where the proxy's certificate comes from: self-signed .* provision/)
})
