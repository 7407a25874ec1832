import { readFileSync, statSync } from 'node:fs'
import t from 'tap'

t.test('what was built can be run by its name', async t => {
  const { bin }: { bin: Record<string, string> } = JSON.parse(readFileSync('package.json', 'utf8'))
  for (const [name, file] of Object.entries(bin)) t.equal(statSync(file).mode & 0o111, 0o111, `${name}: ${file}`)
})
