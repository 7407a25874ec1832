import { connect as connectPlain } from 'node:net'
import { connect } from 'node:tls'
import t, { type Test } from 'tap'
import { Fault } from '../../src/base/errors.ts'
import { withKeyPem } from '../../src/identity/credential.ts'
import { maxReviewBytes } from '../../src/inject/review.ts'
import { reviewPath, reviewServer } from '../../src/inject/server.ts'
import { makeCredential } from '../support/identity.ts'
import { ask } from '../support/process.ts'
import { exchange, listen } from '../support/sockets.ts'

const json = { 'content-type': 'application/json' }

async function serve(t: Test, answer: (bytes: Uint8Array) => string = bytes => `{"length":${bytes.length}}`) {
  const review = reviewServer(answer)
  withKeyPem(await makeCredential(), pem => review.show(pem))
  return { review, port: await listen(t, review.server) }
}

const post = (port: number, body = '{}', headers: Record<string, string> = json, path = reviewPath, method = 'POST') =>
  ask(port, { path, method, headers, body, tls: true })

t.test('a body in, an answer out', async t => {
  const { port } = await serve(t)
  const answer = await post(port, '{"a":1}')
  t.match(answer, { status: 200, headers: { 'content-type': 'application/json' }, body: '{"length":7}' })
  t.equal((await post(port, '{}', { 'content-type': 'application/json; charset=utf-8' })).status, 200)
  t.equal((await post(port, '{}', json, `${reviewPath}?timeout=5s`)).status, 200)
})

const refused: [name: string, status: number, path: string, method: string, headers: Record<string, string>][] = [
  ['another path', 404, '/', 'POST', json],
  ['another method', 405, reviewPath, 'PUT', json],
  ['another type', 415, reviewPath, 'POST', { 'content-type': 'application/yaml' }],
  ['no type', 415, reviewPath, 'POST', {}],
]
for (const [name, status, path, method, headers] of refused) {
  t.test(`refused: ${name}`, async t => {
    const { port } = await serve(t, () => t.fail('asked') as never)
    const answer = await post(port, '{}', headers, path, method)
    t.match(answer, { status, headers: { connection: 'close' } })
  })
}

/** A request by hand, for what a client library would not send. */
function raw(port: number, head: string, body = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () =>
      socket.write(`${head}\r\n\r\n${body}`),
    )
    let text = ''
    socket.setEncoding('latin1').on('data', chunk => {
      text += chunk
    })
    // Whoever writes on after the answer may be reset.
    socket.on('error', error => (text === '' ? reject(error) : resolve(text)))
    socket.on('close', () => resolve(text))
  })
}

const head = `POST ${reviewPath} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json`

t.test('a body that is announced too long is not waited for', async t => {
  const { port } = await serve(t, () => t.fail('asked') as never)
  t.match(await raw(port, `${head}\r\nContent-Length: ${maxReviewBytes + 1}`), /^HTTP\/1\.1 413 .*Connection: close/s)
})

t.test('a body that turns out too long is cut', async t => {
  const { port } = await serve(t, () => t.fail('asked') as never)
  const chunk = `${(1 << 20).toString(16)}\r\n${' '.repeat(1 << 20)}\r\n`
  t.match(await raw(port, `${head}\r\nTransfer-Encoding: chunked`, chunk.repeat(5)), /^HTTP\/1\.1 413 /)
})

t.test('what the answer throws is told without detail, unless it is about the review', async t => {
  const malformed = await serve(t, () => {
    throw new Fault('review-malformed', 'review: want better')
  })
  t.match(await post(malformed.port), { status: 400, body: 'review: want better\n' })
  const broken = await serve(t, () => {
    throw new Error('canary')
  })
  t.match(await post(broken.port), { status: 500, body: 'internal error\n' })
})

t.test('a client that leaves in the middle harms nobody', async t => {
  const { port } = await serve(t)
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
    socket.write(`${head}\r\nContent-Length: 100\r\n\r\nabc`, () => socket.destroy())
  })
  await new Promise(resolve => socket.on('close', resolve))
  t.equal((await post(port)).status, 200)
})

t.test('who speaks no TLS, or no HTTP, is hung up on', async t => {
  const { port } = await serve(t)
  const plain = await exchange(port, 'GET / HTTP/1.1\r\n\r\n').catch(() => '')
  t.notMatch(plain, /200/)
  t.equal(await raw(port, 'hello').catch(() => ''), '')
  const half = connectPlain(port, '127.0.0.1', () => half.destroy())
  await new Promise(resolve => half.on('close', resolve))
  t.equal((await post(port)).status, 200)
})

t.test('nothing to show: handshakes fail, and come back with the next certificate', async t => {
  const { review, port } = await serve(t)
  review.refuse()
  await t.rejects(post(port))
  withKeyPem(await makeCredential(), pem => review.show(pem))
  t.equal((await post(port)).status, 200)
})
