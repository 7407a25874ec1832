// gRPC as its own library speaks it (@grpc/grpc-js at both ends), over every combination of legs. The cases are those of
// gRPC's interoperability tests (grpc/grpc doc/interop-test-descriptions.md), on messages of plain bytes.

import { readFileSync } from 'node:fs'
import {
  Client,
  credentials,
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'
import t, { type Test } from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { readPolicy } from '../../src/config/policy.ts'
import { makeDialer } from '../../src/engine/dial.ts'
import { probeGrpc } from '../../src/health/grpc.ts'
import { makeJudge } from '../../src/proxy/upstream.ts'
import { allLegs, type Legs, policyFile, stand, startLegs } from '../support/legs.ts'
import { until } from '../support/process.ts'
import { freePort } from '../support/sockets.ts'

type Bytes = MethodDefinition<Buffer, Buffer>

const same = (bytes: Buffer): Buffer => bytes
const method = (name: string, requestStream: boolean, responseStream: boolean): Bytes => ({
  path: `/test.Test/${name}`,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
})

const service = {
  unary: method('Unary', false, false),
  gather: method('Gather', true, false),
  spread: method('Spread', false, true),
  both: method('Both', true, true),
  fail: method('Fail', false, false),
  never: method('Never', false, true),
}

const many = 1_000

/** Unlimited messages: gRPC's own limit is 4 MiB. */
const limits = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 } as const

interface Seen {
  readonly cancelled: string[]
  active: number
  most: number
}

/** @returns its port */
async function listen(t: Test, server: Server): Promise<number> {
  t.teardown(() => server.forceShutdown())
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    )
  })
}

async function startContainer(t: Test): Promise<{ port: number; seen: Seen }> {
  const seen: Seen = { cancelled: [], active: 0, most: 0 }
  const held: (() => void)[] = []
  const server = new Server({ ...limits, 'grpc.max_concurrent_streams': 2_000 })
  server.addService(service, {
    unary(call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) {
      seen.most = Math.max(seen.most, ++seen.active)
      const answer = (): void => {
        seen.active--
        const trailers = new Metadata()
        trailers.set('x-behind', 'it')
        const echoed = call.metadata.get('x-sent')[0]
        if (echoed !== undefined) call.sendMetadata(withHeader('x-echoed', String(echoed)))
        done(null, call.request, trailers)
      }
      if (call.request.length !== 1) {
        answer()
        return
      }
      // Held until all thousand are here, so that they are here at once.
      held.push(answer)
      if (held.length === many) for (const each of held.splice(0)) each()
    },
    gather(call: ServerReadableStream<Buffer, Buffer>, done: sendUnaryData<Buffer>) {
      let bytes = 0
      call.on('data', (message: Buffer) => {
        bytes += message.length
      })
      call.on('end', () => done(null, Buffer.from(String(bytes))))
    },
    spread(call: ServerWritableStream<Buffer, Buffer>) {
      for (let i = 0; i < 50; i++) call.write(Buffer.alloc(1_000, i))
      call.end()
    },
    both(call: ServerDuplexStream<Buffer, Buffer>) {
      call.on('data', (message: Buffer) => call.write(message))
      call.on('end', () => call.end())
      call.on('cancelled', () => seen.cancelled.push('both'))
    },
    fail(_call: unknown, done: sendUnaryData<Buffer>) {
      done({ code: status.RESOURCE_EXHAUSTED, details: 'no more § of it' })
    },
    never(call: ServerWritableStream<Buffer, Buffer>) {
      if (call.request.length > 0) call.write(call.request)
      call.on('cancelled', () => seen.cancelled.push('never'))
    },
  })
  return { port: await listen(t, server), seen }
}

function withHeader(name: string, value: string): Metadata {
  const metadata = new Metadata()
  metadata.set(name, value)
  return metadata
}

function connectTo(t: Test, port: number, { secure }: Legs): Client {
  const how = secure
    ? credentials.createSsl(null, null, null, { rejectUnauthorized: false })
    : credentials.createInsecure()
  const client = new Client(`127.0.0.1:${port}`, how, limits)
  t.teardown(() => client.close())
  return client
}

const { unary, gather, spread, both, fail, never } = service

function call(client: Client, { path }: Bytes, message: Buffer, deadlineMs = 20_000): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + deadlineMs
    client.makeUnaryRequest(path, same, same, message, new Metadata(), { deadline }, (error, answer) =>
      error ? reject(error) : resolve(answer ?? Buffer.alloc(0)),
    )
  })
}

const failure = (promise: Promise<unknown>): Promise<ServiceError> =>
  promise.then(
    () => {
      throw new Error('it succeeded')
    },
    error => error,
  )

for (const legs of allLegs) {
  t.test(legs.name, async t => {
    const { port: container, seen } = await startContainer(t)
    const role = await startLegs(t, legs, container)
    const client = connectTo(t, role.port, legs)

    t.test('unary: empty, small and large messages', async t => {
      for (const size of [0, 10, 271_828, 6 << 20]) {
        const answer = await call(client, unary, Buffer.alloc(size, 7))
        t.ok(answer.equals(Buffer.alloc(size, 7)), `${size} bytes`)
      }
    })

    t.test('metadata passes both ways, in front and behind', async t => {
      const metadata = new Metadata()
      metadata.set('x-sent', 'value')
      metadata.set('x-sent-bin', Buffer.from([0, 1, 255]))
      const heard: Record<string, unknown> = {}
      await new Promise<void>((resolve, reject) => {
        const request = client.makeUnaryRequest(unary.path, same, same, Buffer.from('xx'), metadata, error =>
          error ? reject(error) : undefined,
        )
        request.on('metadata', each => Object.assign(heard, { echoed: each.get('x-echoed') }))
        request.on('status', each => {
          Object.assign(heard, { behind: each.metadata.get('x-behind'), code: each.code })
          resolve()
        })
      })
      t.same(heard, { echoed: ['value'], behind: ['it'], code: status.OK })
    })

    t.test('client streaming', async t => {
      const answer = await new Promise<Buffer>((resolve, reject) => {
        const stream = client.makeClientStreamRequest(gather.path, same, same, (error, bytes) =>
          error ? reject(error) : resolve(bytes ?? Buffer.alloc(0)),
        )
        for (const size of [27_182, 8, 1_828, 45_904, 3 << 20]) stream.write(Buffer.alloc(size))
        stream.end()
      })
      t.equal(answer.toString(), String(27_182 + 8 + 1_828 + 45_904 + (3 << 20)))
    })

    t.test('server streaming', async t => {
      const stream = client.makeServerStreamRequest(spread.path, same, same, Buffer.from('x'))
      const sizes: number[] = []
      for await (const message of stream) sizes.push(message.length)
      t.same(sizes, Array(50).fill(1_000))
    })

    t.test('ping-pong: each message is answered before the next is sent', async t => {
      const stream = client.makeBidiStreamRequest(both.path, same, same)
      const answers: number[] = []
      const sizes = [31_415, 9, 2_653, 58_979, 5 << 20]
      await new Promise<void>((resolve, reject) => {
        stream.on('data', (message: Buffer) => {
          answers.push(message.length)
          const next = sizes[answers.length]
          if (next === undefined) stream.end()
          else stream.write(Buffer.alloc(next))
        })
        stream.on('error', reject)
        stream.on('end', resolve)
        stream.write(Buffer.alloc(sizes[0] ?? 0))
      })
      t.same(answers, sizes)
    })

    t.test('a status without a message comes as trailers only', async t => {
      const error = await failure(call(client, fail, Buffer.from('x')))
      t.match([error.code, error.details], [status.RESOURCE_EXHAUSTED, 'no more § of it'])
    })

    t.test('an unknown method is told as such', async t => {
      const error = await failure(call(client, { ...unary, path: '/test.Test/None' }, Buffer.from('x')))
      t.equal(error.code, status.UNIMPLEMENTED)
    })

    t.test('a deadline ends the call at both ends', async t => {
      seen.cancelled.length = 0
      const stream = client.makeServerStreamRequest(never.path, same, same, Buffer.alloc(0), new Metadata(), {
        deadline: Date.now() + 150,
      })
      const error = await failure(stream.toArray())
      t.equal(error.code, status.DEADLINE_EXCEEDED)
      await until('the container hears of it', () => seen.cancelled.includes('never'))
    })

    t.test('a client that cancels is heard, before and after the first answer', async t => {
      for (const first of ['', 'x']) {
        seen.cancelled.length = 0
        const stream = client.makeServerStreamRequest(never.path, same, same, Buffer.from(first))
        const ended = failure(stream.toArray())
        if (first) await new Promise(resolve => stream.once('readable', resolve))
        else await new Promise(resolve => setTimeout(resolve, 50))
        stream.cancel()
        t.equal((await ended).code, status.CANCELLED)
        await until('the container hears of it', () => seen.cancelled.includes('never'))
      }
    })

    t.test('a thousand calls at once', async t => {
      seen.most = 0
      const clients = Array.from({ length: 5 }, () => {
        const how = legs.secure
          ? credentials.createSsl(null, null, null, { rejectUnauthorized: false })
          : credentials.createInsecure()
        const own = new Client(`127.0.0.1:${role.port}`, how, { ...limits, 'grpc.use_local_subchannel_pool': 1 })
        t.teardown(() => own.close())
        return own
      })
      const answers = await Promise.all(
        Array.from({ length: many }, (_, i) => call(clients[i % 5] as Client, unary, Buffer.of(i & 255))),
      )
      t.ok(answers.every((answer, i) => answer.length === 1 && answer[0] === (i & 255)))
      t.equal(seen.most, many)
    })
  })
}

const check = { ...method('Check', false, false), path: '/grpc.health.v1.Health/Check' }
/** As HealthCheckRequest. */
const named = '\n\x03svc'
/** Messages of grpc.health.v1.HealthCheckResponse. */
const answers = { serving: Buffer.of(8, 1), notServing: Buffer.of(8, 2) }

/** gRPC's own health service. */
async function startHealth(t: Test) {
  const health = { answer: answers.notServing, asked: [] as string[], port: 0 }
  const server = new Server()
  server.addService(
    { check },
    {
      check(call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) {
        health.asked.push(call.request.toString('latin1'))
        done(null, health.answer)
      },
    },
  )
  health.port = await listen(t, server)
  return health
}

t.test('the readiness probe that Knative declares asks the health service', async t => {
  const health = await startHealth(t)
  const [legs] = allLegs as [Legs]
  const role = await startLegs(t, legs, health.port, undefined, { grpc: { service: 'svc' } })
  t.equal((await role.probe()).status, 503, 'not while it says so')
  health.answer = answers.serving
  await until('it is ready', async () => (await role.probe()).status === 200)
  t.equal(health.asked[0], named, 'the service is named')
  health.answer = answers.notServing
  t.equal((await role.probe()).status, 503, 'and no longer')
})

t.test('the health service of an attested container is asked once its evidence is accepted, and no other', async t => {
  const health = await startHealth(t)
  const port = await freePort()
  await stand(t, port, health.port, true)
  const probe = (mrenclave?: string): ReturnType<typeof probeGrpc> => {
    const document = JSON.parse(readFileSync(policyFile, 'utf8'))
    document.upstream.clientCertificate = false
    if (mrenclave) document.peers.app.enclaves = [{ mrenclave }]
    const policy = readPolicy(new TextEncoder().encode(JSON.stringify(document)), 'test')
    const own = { mrenclave: undefined, leafSha256s: new Set<string>(), credential: () => undefined }
    const judge = makeJudge({ policy, policyDigest: '', clock: systemClock, own, collateral: undefined })
    const dialer = makeDialer({ host: '127.0.0.1', port, clock: systemClock, judge, refused() {} })
    return probeGrpc({ kind: 'grpc', port, service: 'svc' }, 20_000, {
      clock: systemClock,
      verified: dialer.verified,
      dial: (_host, _port, offer) => done => dialer.dial(done, { offer }),
    })
  }
  t.match(await probe(), /NOT_SERVING/)
  health.answer = answers.serving
  t.equal(await probe(), undefined, 'it serves')
  t.same(health.asked, [named, named])
  t.type(await probe('00'.repeat(32)), 'string', 'another enclave is not ready, whatever it would say')
  t.equal(health.asked.length, 2, 'and is not asked')
})
