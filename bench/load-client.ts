// The load generator where there is no wrk: plain sockets, each with one request under way. Arguments: port, connections,
// seconds. Prints one line of JSON. It reads just enough of an answer to know its end: the status and Content-Length.

import { connect, type Socket } from 'node:net'
import { requestHead } from './scenarios.ts'

const [port = 0, connections = 1, seconds = 1] = process.argv.slice(2).map(Number)
const request = Buffer.from(requestHead)
const headEnd = '\r\n\r\n'
const patienceMs = 5_000
const sockets = new Set<Socket>()
let requests = 0
let errors = 0

function visit(): void {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  sockets.add(socket)
  let text = ''
  let broken = false
  const giveUp = (): void => {
    if (!broken) errors++
    broken = true
    socket.destroy()
  }
  socket.setTimeout(patienceMs, giveUp)
  socket.on('connect', () => socket.write(request))
  socket.on('error', giveUp)
  socket.on('end', giveUp)
  socket.on('close', () => sockets.delete(socket))
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
    const head = text.indexOf(headEnd)
    if (head < 0) return
    const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1]
    if (length === undefined) return giveUp()
    if (text.length < head + headEnd.length + Number(length)) return
    if (text.startsWith('HTTP/1.1 2')) requests++
    else errors++
    text = ''
    socket.write(request)
  })
}

const began = performance.now()
for (let i = 0; i < connections; i++) visit()
setTimeout(() => {
  const took = (performance.now() - began) / 1_000
  process.stdout.write(`${JSON.stringify({ requests, seconds: took, errors })}\n`, () => process.exit())
}, seconds * 1_000)
