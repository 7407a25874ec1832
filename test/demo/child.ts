import t from 'tap'
import { runCommand, startChild } from '../../src/demo/child.ts'

const program = (text: string): string[] => ['--input-type=module', '--eval', text]

t.test('it says lines, hears lines, and ends when there is no more to hear', async t => {
  const child = startChild('parrot', program("process.stdin.pipe(process.stdout); process.stdout.write('ready\\nor')"))
  await child.until('be ready', () => child.lines[0])
  t.same(child.lines, ['ready'], 'a line that is not whole is none yet')
  child.say(' not')
  t.equal(await child.until('answer', () => child.lines[1]), 'or not')
  child.hangUp()
  t.equal(await child.exit, 0)
  child.say('too late')
})

t.test('who waits for somebody who has gone hears what he has said', async t => {
  const child = startChild('parrot', program("console.error('no seed'); process.exitCode = 3"))
  await t.rejects(
    child.until('sing', () => undefined),
    { code: 'internal', message: 'the parrot did not sing: no seed' },
  )
  t.equal(await child.exit, 3)
  const silent = startChild('parrot', program('setInterval(() => {}, 1e3)'))
  silent.signal('SIGTERM')
  t.equal(await silent.exit, null, 'by a signal')
  await t.rejects(
    silent.until('sing', () => undefined),
    { message: 'the parrot did not sing: it said nothing' },
  )
})

t.test('a process that cannot be started has gone too', async t => {
  const child = startChild('parrot', [], { PATH: '', NODE_OPTIONS: '--none' })
  t.equal(await child.exit, 9)
  await t.rejects(
    child.until('sing', () => undefined),
    { message: /^the parrot did not sing: .*--none is not allowed/ },
  )
})

t.test('only the first thousands of lines are kept', async t => {
  const child = startChild('parrot', program("process.stdout.write('a\\n'.repeat(10_500))"))
  await child.exit
  t.equal(child.lines.length, 10_000)
})

t.test('a command is over with what it has printed', async t => {
  t.match(await runCommand(['--version']), { code: 0, text: /^postern .*\n$/ })
  t.same(await runCommand(['nothing']), { code: 64, text: '' })
})
