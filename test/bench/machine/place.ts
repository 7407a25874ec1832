import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { nodeFlags, posternEntry } from '../../../bench/machine/place.ts'

t.test("the proxy is measured with the flags of the command's first line", async t => {
  t.ok(nodeFlags(posternEntry).some(flag => flag.startsWith('--max-semi-space-size=')))
  const folder = t.testdir({})
  const lines: [line: string, flags: string[]][] = [
    ['#!/usr/bin/env node', []],
    ['#!/usr/bin/env -S node --a=1 --b', ['--a=1', '--b']],
    ['', []],
  ]
  for (const [line, flags] of lines) {
    const file = join(folder, 'first.js')
    writeFileSync(file, `${line}\n--c\n`)
    t.same(nodeFlags(file), flags)
  }
})
