import t from 'tap'
import { readCommand } from '../../../bench/args.ts'
import { contenders } from '../../../bench/contenders/table.ts'
import { findTools } from '../../../bench/machine/tools.ts'
import { paceOf, plan, secondsOf, toolsFor } from '../../../bench/run/plan.ts'
import { duration, Progress } from '../../../bench/run/progress.ts'
import { scenarios } from '../../../bench/scenarios.ts'

const pace = { rounds: 5, seconds: 0.8, warmUpSeconds: 0.8 }
const named = (...names: string[]) => contenders.filter(({ name }) => names.includes(name))
const row = (name: string) => scenarios.filter(each => each.name === name)

t.test('every contender takes part where it can, and a reason stands where it cannot', async t => {
  const { steps, skipped } = plan(row('small-c32'), named('undici', 'go-queue-proxy', 'direct'), undefined)
  const slots = steps[0]?.slots.map(({ leg, contender }) => `${leg} ${contender.name}`) ?? []
  t.ok(slots.includes('h-tls undici'))
  t.notOk(slots.includes('h-tls go-queue-proxy'))
  t.notOk(slots.includes('h-tls direct'))
  t.match(
    skipped.find(({ what }) => what.startsWith('go-queue-proxy')),
    { why: 'no TLS towards the container' },
  )
})

t.test('the best of ours runs twice where a scenario is looked at closely, in processes of their own', async t => {
  const { steps } = plan(row('small-c32'), named('undici', 'http-proxy'), 'undici')
  const copies = steps[0]?.slots.filter(({ controlOf }) => controlOf === 'undici') ?? []
  t.equal(copies.length, 1)
  t.not(copies[0]?.wanted.contender.name, 'undici')
  t.equal(
    plan(row('10k'), named('undici'), 'undici').steps[0]?.slots.some(({ controlOf }) => controlOf),
    false,
  )
})

t.test('who is for some scenarios only is not measured in others, unless asked for', async t => {
  const names = (scenario: string, who: typeof contenders): string[] =>
    plan(row(scenario), who, undefined).steps.flatMap(({ slots }) => slots.map(({ contender }) => contender.name))
  t.ok(names('small-c32', contenders).includes('bytes-streams'))
  t.notOk(names('10k', contenders).includes('bytes-streams'))
  t.notOk(names('small-c32', contenders).includes('bytes-image'))
  t.ok(names('start', contenders).includes('bytes-image'))
  const asked = readCommand(['run', '--contender', 'bytes-streams'], { contenders, scenarios })
  if (asked.verb !== 'run') throw new Error(asked.verb)
  t.ok(names('10k', asked.contenders).includes('bytes-streams'))
})

t.test('the ladder is ours alone', async t => {
  const { steps } = plan(row('ladder'), named('undici', 'http-proxy'), 'undici')
  t.same(steps[0]?.slots[0]?.contender.name, 'plain')
  t.ok((steps[0]?.slots.length ?? 0) > 5)
  t.same(plan(row('ladder'), named('http-proxy'), undefined).steps, [])
})

t.test('scenarios may want fewer rounds, and more time', async t => {
  const [memory, small] = [row('memory')[0], row('small-c1')[0]]
  if (!memory || !small) throw new Error('a scenario is gone')
  t.match(paceOf(memory, pace), { rounds: 1, seconds: 20 })
  t.match(paceOf(memory, { ...pace, seconds: 60 }), { seconds: 60 })
  t.same(paceOf(small, pace), pace)
})

t.test('the whole takes half an hour at most, and the quick run three minutes without peers', async t => {
  const seconds = (...argv: string[]): number => {
    const command = readCommand(['run', ...argv], { contenders, scenarios })
    if (command.verb !== 'run') throw new Error(command.verb)
    const tools = toolsFor(findTools(), command.counting)
    const { steps } = plan(command.scenarios, command.contenders, 'bytes')
    return secondsOf(steps, command.pace, tools).reduce((sum, each) => sum + each, 0)
  }
  const full = seconds()
  t.ok(full <= 1_750, `${full} s`)
  const few = ['bytes', 'undici', 'http-proxy', 'direct'].flatMap(name => ['--contender', name])
  const quick = seconds('--quick', ...few)
  t.ok(quick <= 170, `${quick} s`)
})

t.test('progress tells how far it is and what is left', async t => {
  const written: string[] = []
  const progress = new Progress(100, false, text => written.push(text))
  t.equal(progress.left(), '1 min 40 s')
  progress.done(40)
  progress.show('something')
  t.match(written[0], / 40 % .* left {2}something\n$/)
  progress.show('at once again')
  t.equal(written.length, 1, 'not a line for each sample where nobody watches')
  progress.done(1_000)
  t.equal(progress.left(), '0 s')
  t.equal(duration(61.4), '1 min 1 s')
  const terminal: string[] = []
  new Progress(1, true, text => terminal.push(text)).show('x'.repeat(500))
  t.ok(terminal[0]?.startsWith('\r') && terminal[0].length < 130, 'one line, written over')
})
