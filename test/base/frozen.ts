import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import t from 'tap'

const source = new URL('../../src/base/frozen.ts', import.meta.url).href

/** Runs a module in a process of its own whose prototypes are frozen. */
function frozen(body: string): SpawnSyncReturns<string> {
  const text = `import { freezePrototypes } from '${source}'
    import assert from 'node:assert/strict'
    import { once } from 'node:events'
    import http from 'node:http'
    freezePrototypes()
    ${body}`
  return spawnSync(process.execPath, ['--input-type=module', '-e', text], { encoding: 'utf8' })
}

t.test('nothing can be added to what all objects inherit, nor changed or taken away', async t => {
  const { status, stderr } = frozen(`
    for (const { prototype } of [Object, Array, Function]) {
      assert.throws(() => { prototype.polluted = 1 }, TypeError)
      assert.throws(() => { prototype.toString = () => 'mine' }, TypeError)
      assert.throws(() => { delete prototype.toString }, TypeError)
      assert.throws(() => Object.defineProperty(prototype, 'toString', { value: 1 }), TypeError)
    }
    assert.throws(() => { Object.setPrototypeOf(Object.prototype, {}) }, TypeError)
    assert.equal({}.polluted, undefined)`)
  t.equal(status, 0, stderr)
})

t.test('an object may still have what it would inherit as its own', async t => {
  const { status, stderr } = frozen(`
    for (const key of ['constructor', 'toString', 'valueOf', 'hasOwnProperty', '__defineGetter__']) {
      const mine = {}
      const inherited = mine[key]
      assert.equal(typeof inherited, 'function')
      mine[key] = 'own'
      assert.deepEqual(Object.entries(mine), [[key, 'own']])
      mine[key] = 'again'
      assert.equal(mine[key], 'again')
      assert.equal({}[key], inherited)
    }
    const mine = Object.assign(() => 1, { toString: () => 'mine' })
    assert.equal(String(mine), 'mine')
    assert.equal(String(() => 2), '() => 2')
    assert.equal(String(Object.assign([1], { toString: () => 'ours' })), 'ours')
    class A { toString() { return 'a' } }
    assert.equal(String(new A()), 'a')
    assert.equal(String({}), '[object Object]')`)
  t.equal(status, 0, stderr)
})

t.test('fields of a request may be named like them', async t => {
  const { status, stderr } = frozen(`
    const server = http.createServer((asked, answer) => answer.end(String(asked.headers.constructor))).listen(0)
    await once(server, 'listening')
    const headers = { constructor: 'x', toString: 'y', hasOwnProperty: 'z' }
    const [answer] = await once(http.get({ port: server.address().port, headers, agent: false }), 'response')
    const [body] = await once(answer.setEncoding('utf8'), 'data')
    assert.equal(body, 'x')
    server.close()`)
  t.equal(status, 0, stderr)
})

t.test('what is loaded later loads: certificates are made and read', async t => {
  const x509 = new URL('../../src/identity/x509.ts', import.meta.url).href
  const pki = new URL('../../src/identity/pki.ts', import.meta.url).href
  const { status, stderr } = frozen(`
    const { generateKey, selfSignedAuthority, issue } = await import('${x509}')
    const { verifyChain } = await import('${pki}')
    const [notBefore, notAfter] = [Date.now() - 1000, Date.now() + 1e6]
    const [key, own] = [generateKey(), generateKey()]
    const root = await selfSignedAuthority({ key, subject: { commonName: 'root' }, notBefore, notAfter })
    const issuer = { certificate: root, key: key.privateKey }
    const leaf = await issue({ issuer, publicKey: own.publicKey, subject: { commonName: 'a' }, dnsNames: ['a.b'], notBefore, notAfter })
    const answer = await verifyChain({ leaf, intermediates: [], roots: [root], san: 'a.b', at: Date.now() })
    assert.equal(answer.ok, true, JSON.stringify(answer))`)
  t.equal(status, 0, stderr)
})
