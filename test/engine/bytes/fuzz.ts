// The short form of the fuzz targets: one turn each, always the same. The long one is run by hand (test/fuzz/engine.ts).

import t from 'tap'
import { Random } from '../../fuzz/engine/random.ts'
import { targets } from '../../fuzz/engine/targets.ts'

for (const [name, run, turn] of targets) {
  t.test(`fuzz target ${name} finds nothing in ${turn} inputs`, async t => {
    let taken = 0
    for (let seed = 0; seed < turn; seed++) {
      try {
        if (await run(new Random(seed))) taken++
      } catch (error) {
        t.fail(`--target ${name} --seed ${seed}: ${error instanceof Error ? error.message : error}`)
      }
    }
    t.ok(taken > turn / 10, `${taken} of ${turn} inputs got somewhere`)
    t.ok(taken < turn, 'and some were refused')
  })
}
