import { createServer } from 'node:net'
import t from 'tap'
import { Fault } from '../../src/base/errors.ts'
import { impostors } from '../../src/demo/function.ts'
import { type DemoOptions, runDemo } from '../../src/demo/run.ts'
import { selfSignedTour } from '../../src/demo/self-signed.ts'
import type { Row } from '../../src/demo/table.ts'
import { portBase } from '../support/demo.ts'
import { listen } from '../support/sockets.ts'

async function run(options: Partial<DemoOptions>) {
  let text = ''
  const good = await runDemo({
    identity: undefined,
    portBase: String(await portBase()),
    exit: true,
    json: false,
    colour: false,
    write: part => {
      text += part
    },
    stopped: Promise.resolve(),
    ...options,
  })
  return { good, text }
}

t.test('the tour is good, says so, and stays until the visitor goes', async t => {
  const { good, text } = await run({ exit: false })
  t.equal(good, true)
  t.match(text, /^SYNTHETIC evidence throughout/)
  t.match(text, 'All as it should be.')
  t.match(text, /Everything stays up until Ctrl-C.*leaving\n$/s)
  for (const { name } of impostors) t.match(text, `ok in the function's place: ${name}`)
})

t.test('an impostor that is stopped by another rule than it should be makes it bad', async t => {
  const wrong = impostors.find(({ rule }) => rule === 'debug')
  if (wrong) Object.assign(wrong, { rule: 'mrsigner' })
  t.teardown(() => wrong && Object.assign(wrong, { rule: 'debug' }))
  const { good, text } = await run({})
  t.equal(good, false)
  t.match(text, /^!! in the function's place: the function in a debug enclave +502, refused by debug, 0 bytes$/m)
  t.match(text, 'should have been: 502, refused by mrsigner, 0 bytes')
  t.match(text, 'NOT as it should be')
})

t.test('a tour that breaks off tells what it has shown, and what ended it', async t => {
  const play = selfSignedTour.play
  t.teardown(() => Object.assign(selfSignedTour, { play }))
  const breakOff = (rows: readonly Row[], error: Error): void => {
    const broken: typeof play = async ({ note }) => {
      for (const row of rows) note(row)
      throw error
    }
    Object.assign(selfSignedTour, { play: broken })
  }
  const row = { what: 'first', want: '1', got: '1', why: 'so' }
  breakOff([row], new Fault('internal', 'the proxy did not become ready: it said nothing'))
  const { good, text } = await run({ json: true })
  t.equal(good, false)
  t.match(JSON.parse(text).rows, [row, { want: 'to be played', got: /^the proxy did not become ready/, good: false }])
  breakOff([row], new RangeError('of no use'))
  t.match((await run({ exit: false })).text, /^!! the rest of the tour +RangeError$/m, 'and nobody is asked to stay')
  breakOff([], new Fault('internal', 'nothing to be shown'))
  await t.rejects(run({}), { message: 'nothing to be shown' })
})

t.test('where the certificate comes from is one of two', async t => {
  t.throws(() => runDemo({ identity: 'vault' } as DemoOptions), {
    code: 'usage',
    message: 'postern demo: --identity: want self-signed or provision, got "vault"',
  })
})

t.test('a taken port or an unusable base ends it before anything starts', async t => {
  const taken = await listen(t, createServer())
  await t.rejects(run({ portBase: String(taken) }), {
    code: 'bind-failed',
    message: new RegExp(`^port ${taken} is taken`),
  })
  await t.rejects(run({ portBase: '1' }), { code: 'usage' })
})
