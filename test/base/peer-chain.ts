import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { peerChain } from '../../src/base/peer-chain.ts'
import { toCredential, withKeyPem } from '../../src/identity/credential.ts'
import { generateKey, issue } from '../../src/identity/x509.ts'
import { makeIntermediate, makeRoot } from '../support/identity.ts'

/** What a client sees of a server that shows a leaf below so many others. */
async function shown(t: Test, below: number) {
  const authorities = [await makeRoot('0')]
  for (let n = 1; n <= below; n++)
    authorities.unshift(await makeIntermediate(authorities[0] ?? (await makeRoot()), `${n}`))
  const [issuer = await makeRoot()] = authorities
  const key = generateKey()
  const life = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 60_000 }
  const leaf = await issue({ ...life, issuer, publicKey: key.publicKey, subject: { commonName: 'leaf' } })
  const chain = [leaf, ...authorities.slice(0, -1).map(({ certificate }) => certificate)] as const
  const server = withKeyPem(toCredential(chain, key.privateKey, 'enclave'), pem => createServer(pem))
  server.on('tlsClientError', () => {})
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const socket: TLSSocket = connect({ port: (server.address() as AddressInfo).port, rejectUnauthorized: false })
  socket.on('error', () => {})
  t.teardown(() => {
    socket.destroy()
    server.close()
  })
  await once(socket, 'secureConnect')
  return { socket, chain }
}

t.test('what was sent, leaf first', async t => {
  for (const below of [0, 2]) {
    const { socket, chain } = await shown(t, below)
    t.same(
      peerChain(socket),
      chain.map(der => new Uint8Array(der)),
    )
  }
})

t.test('a chain that is longer than anybody needs is none', async t => {
  const { socket } = await shown(t, 9)
  t.equal(peerChain(socket), undefined)
})

t.test('nothing, from a server that shows none', async t => {
  const server = createServer({ ciphers: 'PSK', pskCallback: () => Buffer.alloc(16), maxVersion: 'TLSv1.2' })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const pskCallback = () => ({ psk: Buffer.alloc(16), identity: 'a' })
  const socket = connect({
    port,
    ciphers: 'PSK',
    pskCallback,
    maxVersion: 'TLSv1.2',
    checkServerIdentity: () => undefined,
  })
  t.teardown(() => {
    socket.destroy()
    server.close()
  })
  await once(socket, 'secureConnect')
  t.equal(peerChain(socket), undefined)
})
