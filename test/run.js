// Every test, in the order in which a failure says most: types, style, then tap with coverage. The last line counts.
// `npm test -- test/gate/gate.ts` runs single files, without the coverage rule.

import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'

const only = process.argv.slice(2)
const leastLines = 95
const suiteSeconds = 2400

/** Runs a command of node_modules/.bin; resolves to its exit code and what it printed. */
function run(command, args, show, env = {}) {
  return new Promise(resolve => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } })
    let text = ''
    child.stdout.on('data', chunk => {
      text += chunk
      if (show) process.stdout.write(chunk)
    })
    child.on('close', code => resolve({ code: code ?? 1, text }))
    child.on('error', error => resolve({ code: 1, text: `${command}: ${error.code}` }))
  })
}

async function step(name, command, args) {
  const { code, text } = await run(command, args, false)
  process.stdout.write(`${code === 0 ? 'ok' : 'FAILED'}  ${name}\n`)
  if (code !== 0) process.stdout.write(`${text}\n`)
  return code === 0
}

/** Adds up tap's closing comment, `# { total: 12, pass: 11, fail: 1 }`. */
function count(text) {
  const closing = text.match(/^# \{ (.*) \}$/m)?.[1] ?? ''
  const of = key => Number(closing.match(new RegExp(`\\b${key}: (\\d+)`))?.[1] ?? 0)
  return { passed: of('pass'), failed: of('fail'), skipped: of('skip') + of('todo') }
}

/** Told by the process as a pod has it; once more by the enclave's bundle, with what Gramine lacks failing. */
const twice = ['start', 'collateral', 'life', 'tls', 'logs', 'refused', 'signed', 'examples', 'vault'].map(
  name => `test/e2e/${name}.ts`,
)

const suiteFiles = () => readdirSync('test/suites').map(name => `test/suites/${name}`)

function onBundle() {
  process.stdout.write('\n# the same on dist/enclave.js\n')
  return run('tap', ['--reporter=tap', '--disable-coverage', ...twice], true, { POSTERN_TEST_BUNDLE: 'yes' })
}

/** Source files below the rule. A file that no test loads is not in the report at all, so the list of files decides. */
function uncovered() {
  const report = JSON.parse(readFileSync('.tap/report/coverage-summary.json', 'utf8'))
  return (
    Object.entries(report)
      .map(([file, { lines }]) => [relative('.', file), lines.pct])
      // What is built is run by suites of whole processes; its sources count.
      .filter(([file, percent]) => file.startsWith('src/') && percent < leastLines)
      .map(([file, percent]) => `${file}: ${percent} % of lines`)
  )
}

const types = (await step('build', 'tsc', ['-p', 'tsconfig.json'])) && (await step('types', 'tsc', ['-p', 'test']))
const fits = await step('bundle', process.execPath, ['build/bundle.ts'])
const style = await step('format and lint', 'biome', ['check', '.'])

const coverage =
  only.length > 0
    ? ['--disable-coverage']
    : ['--allow-incomplete-coverage', '--coverage-report=text', '--coverage-report=json-summary']
const tests = await run('tap', ['--reporter=tap', ...coverage, ...only], true)
const again = only.length > 0 ? undefined : await onBundle()
// By themselves and last: their cases measure time.
const suite = ['--reporter=tap', '--disable-coverage', `--timeout=${suiteSeconds}`, ...suiteFiles()]
const suites = only.length > 0 ? undefined : await run('tap', suite, true)
const rest = [again, suites].filter(each => each !== undefined)
const counts = [tests, ...rest].map(({ text }) => count(text))
const sum = key => counts.reduce((total, each) => total + each[key], 0)
const [passed, failed, skipped] = ['passed', 'failed', 'skipped'].map(sum)

const thin = only.length > 0 ? [] : uncovered()
if (thin.length > 0) process.stdout.write(`\nFAILED  coverage below ${leastLines} %:\n  ${thin.join('\n  ')}\n`)
const broken = [types, fits, style, thin.length === 0].filter(good => !good).length
// A run that died before its closing comment has failed, whatever it counted.
const crashed = [tests, ...rest].some(({ code }) => code !== 0) && failed === 0 ? 1 : 0

process.stdout.write(
  `\n${passed} passed, ${failed + broken + crashed} failed${skipped ? `, ${skipped} skipped` : ''}\n`,
)
process.exit(failed + broken + crashed > 0 || passed === 0 ? 1 : 0)
