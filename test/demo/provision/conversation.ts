import t from 'tap'
import { startPart } from '../../../src/demo/provision/conversation.ts'

const module = new URL('../../../src/demo/provision/conversation.ts', import.meta.url).href

t.test('each line is answered by one, in order, until the part is left', async t => {
  const folder = t.testdir({
    'part.mjs': `import { converse } from '${module}'
      let asked = 0
      await converse({
        count: () => ++asked,
        later: () => new Promise(resolve => setTimeout(resolve, 20, 'late')),
        fail: async () => { throw new RangeError('with a secret in it') },
      })
      process.exitCode = 7`,
  })
  const part = startPart('part', new URL(`file://${folder}/part.mjs`).href, [])
  const answers = await Promise.all(['count', 'later', 'count', 'fail', 'nothing'].map(each => part.ask(each)))
  t.same(answers, [1, 'late', 2, { problem: 'RangeError' }, {}])
  t.equal(await part.leave(), 7)
  await t.rejects(part.ask('count'), { message: 'the part did not answer to "count": it said nothing' })
})
