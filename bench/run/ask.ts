// One request to a contender before it is measured: what answers wrongly is not compared with what works.

import { request } from 'node:http'
import { connect } from 'node:http2'
import { Fault } from '../../src/base/errors.ts'
import type { Child } from '../machine/children.ts'
import { requestHeaders, smallBody } from '../requests.ts'

const readyMs = 20_000
const patienceMs = 2_000

/**
 * Resolves when the process gives the backend's own answer.
 * @param pauseMs between two requests
 * @throws Fault 'internal' with what it said instead
 */
export async function untilAnswers(name: string, child: Child, port: number, pauseMs: number): Promise<void> {
  let got = 'nothing'
  for (const until = Date.now() + readyMs; Date.now() < until && child.ended() === undefined; ) {
    got = await ask(port)
    if (got === `200 ${smallBody}` || (await askHttp2(port)) === smallBody) return
    await new Promise(resolve => setTimeout(resolve, pauseMs))
  }
  const exit = child.ended()
  const end = exit === undefined ? '' : `; it ended with ${exit}`
  throw new Fault('internal', `${name}: want the backend's answer, got ${got}${end}: ${lastWords(child)}`)
}

/** The end of what a process wrote, for a message. */
export function lastWords(child: Child): string {
  return child.said().trim().slice(-600) || 'it said nothing'
}

/** Status and body, or why there is neither. */
function ask(port: number): Promise<string> {
  return new Promise(resolve => {
    const headers = Object.fromEntries(requestHeaders)
    const asked = request({ host: '127.0.0.1', port, headers, agent: false, timeout: patienceMs })
    asked.on('response', message => {
      let body = ''
      message.on('data', part => {
        body += part
      })
      message.on('end', () => resolve(`${message.statusCode} ${body}`))
      message.on('error', () => resolve('a broken answer'))
    })
    asked.on('timeout', () => asked.destroy())
    asked.on('error', () => resolve('no answer'))
    asked.end()
  })
}

/** The same of one that speaks nothing but HTTP/2 there: the body, or nothing. */
function askHttp2(port: number): Promise<string> {
  return new Promise(resolve => {
    let body = ''
    const session = connect(`http://127.0.0.1:${port}`)
    session.setTimeout(patienceMs, () => session.destroy())
    session.on('error', () => {})
    session.on('close', () => resolve(body))
    const stream = session.request({ ':path': '/' })
    stream.on('error', () => {})
    stream.on('data', (part: Buffer) => {
      body += part
    })
    stream.on('close', () => session.destroy())
  })
}
