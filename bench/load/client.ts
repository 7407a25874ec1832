// The load generator, a process of its own that does one job after another for the runner: prepare (connections open and
// answered once), go (the load, which the runner brackets with readings of the proxy's cost), close.

import { ClosedLoop } from './closed.ts'
import { Events } from './events.ts'
import { Http2Load } from './http2.ts'
import { Idle } from './idle.ts'
import type { Generator, Job, Message } from './job.ts'
import { OpenLoop } from './open.ts'
import { WebSockets } from './websocket.ts'

function make(job: Job): Generator {
  switch (job.kind) {
    case 'closed':
      return new ClosedLoop(job)
    case 'open':
      return new OpenLoop(job)
    case 'http2':
      return new Http2Load(job)
    case 'websocket':
      return new WebSockets(job)
    case 'events':
      return new Events(job)
    case 'idle':
      return new Idle(job)
    case 'start':
      throw new Error('a start needs no load')
  }
}

let generator: Generator | undefined

async function obey(message: Message): Promise<object> {
  switch (message.verb) {
    case 'prepare':
      generator?.close()
      generator = make(message.job)
      await generator.prepare()
      return { ready: true }
    case 'go':
      if (!generator) throw new Error('nothing is prepared')
      return generator.go(message.seconds)
    case 'close':
      generator?.close()
      generator = undefined
      return { closed: true }
  }
}

function answer(message: object): void {
  process.send?.(message)
}

process.on('message', (message: Message) => {
  obey(message).then(answer, error => answer({ failed: error instanceof Error ? error.message : String(error) }))
})
// Whoever started it is gone: so is the reason to run.
process.on('disconnect', () => process.exit())
