import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { Upload } from '../../../src/engine/undici/upload.ts'
import { listen } from '../../support/sockets.ts'

/** A request whose head has come. */
async function incoming(t: Test, text: string): Promise<{ message: IncomingMessage; client: Socket }> {
  const server = createServer()
  server.on('clientError', (_error, socket) => socket.destroy())
  const port = await listen(t, server as never)
  const client = connect(port, '127.0.0.1')
  client.on('error', () => {})
  t.teardown(() => client.destroy())
  client.write(text)
  const [message] = (await once(server, 'request')) as [IncomingMessage]
  return { message, client }
}

const head = (length: number): string => `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`

t.test('every byte comes once, and is counted', async t => {
  const { message } = await incoming(t, `${head(11)}hello world`)
  let counted = 0
  const upload = new Upload(message, bytes => {
    counted += bytes
  })
  let text = ''
  for await (const chunk of upload) text += chunk
  t.match([text, counted], ['hello world', 11])
})

t.test('nothing is read before somebody asks', async t => {
  const { message, client } = await incoming(t, head(10_000_000))
  let counted = 0
  const upload = new Upload(message, bytes => {
    counted += bytes
  })
  client.write(Buffer.alloc(1_000_000))
  await new Promise(resolve => setImmediate(resolve))
  t.equal(counted, 0)
  upload.read(0)
  await once(upload, 'readable')
  t.ok(counted > 0)
  t.ok(upload.readableLength <= 256 * 1024, 'and no more than fits')
  upload.destroy()
})

t.test('a client that breaks off is a fault of the client', async t => {
  const { message, client } = await incoming(t, `${head(10)}abc`)
  const upload = new Upload(message, () => {})
  upload.resume()
  const failed = once(upload, 'error')
  client.destroy()
  t.match(await failed, [{ code: 'client-body-broken' }])
})

t.test('whoever ends the upload does not end the connection of the client', async t => {
  const { message, client } = await incoming(t, `${head(10)}abc`)
  const upload = new Upload(message, () => t.fail('nobody counts any more'))
  upload.destroy()
  await once(upload, 'close')
  client.write('defghij')
  message.resume()
  await once(message, 'end')
  t.equal(message.socket.destroyed, false)
})
