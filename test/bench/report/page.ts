// The report in a real browser: on a phone and on a desk, in light and in dark, nothing sticks out, overlaps or fails.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { html } from '../../../bench/report/html.ts'
import { sampleResult } from '../../support/bench.ts'

const browsers = ['chromium', 'chromium-browser', 'google-chrome']
const browser = browsers.find(name => spawnSync(name, ['--version']).status === 0)

/** Runs in the page: what a reader would be annoyed by, as a list. The page itself has no script. */
const inspection = `
addEventListener('load', () => {
  const found = []
  const wide = document.documentElement.scrollWidth
  if (wide > innerWidth) found.push('page is ' + wide + ' wide in a window of ' + innerWidth)
  for (const svg of document.querySelectorAll('svg')) {
    const frame = svg.getBoundingClientRect()
    const texts = [...svg.querySelectorAll('text')]
    const boxes = texts.map(text => text.getBoundingClientRect())
    boxes.forEach((box, i) => {
      if (box.left < frame.left - 1 || box.right > frame.right + 1) found.push('cut: ' + texts[i].textContent)
      if (box.height < 9) found.push('too small to read (' + box.height + '): ' + texts[i].textContent)
      boxes.slice(i + 1).forEach((other, j) => {
        const across = Math.min(box.right, other.right) - Math.max(box.left, other.left)
        const down = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top)
        if (across > 2 && down > 3) found.push('overlap: ' + texts[i].textContent + ' / ' + texts[i + 1 + j].textContent)
      })
    })
  }
  const channel = rgb => rgb.match(/[0-9.]+/g).slice(0, 3).map(Number).reduce((a, b) => a + b) / 3
  const { color, backgroundColor } = getComputedStyle(document.body)
  if (Math.abs(channel(color) - channel(backgroundColor)) < 128) found.push('ink on paper: ' + color + ' on ' + backgroundColor)
  const dark = channel(backgroundColor) < 128
  const facts = { found, dark, charts: document.querySelectorAll('svg').length, width: innerWidth }
  document.title = 'facts:' + JSON.stringify(facts)
})
`

interface Facts {
  readonly found: readonly string[]
  readonly dark: boolean
  readonly charts: number
  readonly width: number
}

const skip = browser === undefined ? `NOT TESTED: no ${browsers.join(' or ')} here` : false

for (const { name, width, dark } of [
  { name: 'on a desk', width: 1280, dark: false },
  { name: 'on a desk in the dark', width: 1280, dark: true },
  // Chromium's windows are no narrower than 500, so the phone is a frame in one.
  { name: 'on a phone', width: 360, dark: false },
]) {
  t.test(`the report reads well ${name}`, { skip, timeout: 90_000 }, async t => {
    const folder = mkdtempSync(join(tmpdir(), 'postern-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const page = html(sampleResult()).replace('</body>', `<script>${inspection}</script></body>`)
    writeFileSync(join(folder, 'page.html'), page)
    writeFileSync(
      join(folder, 'frame.html'),
      `<iframe src="page.html" style="width:${width}px;height:800px;border:0"></iframe><script>
      const look = () => { const { title } = frames[0].document; title.startsWith('facts:') ? document.title = title : setTimeout(look, 50) }
      addEventListener('load', look)</script>`,
    )
    const args = [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--allow-file-access-from-files', '--hide-scrollbars'],
      ...[`--user-data-dir=${join(folder, 'profile')}`, '--virtual-time-budget=8000', '--dump-dom'],
      ...(dark ? ['--blink-settings=preferredColorScheme=0'] : []),
      `--window-size=${Math.max(width, 500) + 40},900`,
      `file://${join(folder, 'frame.html')}`,
    ]
    const { stdout, stderr } = spawnSync(browser ?? '', args, { encoding: 'utf8', timeout: 80_000 })
    const title = /<title>facts:([^<]*)<\/title>/.exec(stdout)?.[1]
    if (title === undefined) return t.fail(`the browser said nothing: ${stderr.slice(-400)}`)
    const facts: Facts = JSON.parse(
      title.replaceAll('&quot;', '"').replaceAll('&amp;', '&').replaceAll('&lt;', '<').replaceAll('&gt;', '>'),
    )
    t.same(facts.found, [])
    t.equal(facts.width, width)
    t.equal(facts.dark, dark)
    t.ok(facts.charts >= 10, `${facts.charts} charts`)
    return undefined
  })
}
