// A result as Markdown, for READMEs and issues.

import type { Result } from '../result.ts'
import { type Cells, markdownTable } from './format.ts'
import { method } from './method.ts'
import { checkTable, controlTable, exitTable, groupTable, ladderTable, overview, syscallTable } from './tables.ts'
import { targetTable } from './targets.ts'
import { View } from './view.ts'
import { summary, warnings } from './words.ts'

/** Everything. */
export function markdown(result: Result): string {
  const view = new View(result)
  return joined([
    ...opening(view),
    ...view.groups.flatMap(group => titled(`${group.title}: ${group.scenario.summary}`, groupTable(view, group))),
    ...titled('The ladder', ladderTable(view)),
    ...titled('Control', controlTable(view)),
    ...titled('Other generators, on the same load', checkTable(view)),
    ...titled('System calls per request', syscallTable(view)),
    ...titled('Exits of an enclave: arithmetic, not a measurement', exitTable(view)),
    ...method(result),
    ...leftOut(result),
  ])
}

/** What fits into somebody's README. */
export function brief(result: Result): string {
  const view = new View(result)
  return joined([...opening(view), ...titled('Medians', overview(view)), ...titled('Control', controlTable(view))])
}

function opening(view: View): readonly string[] {
  const { machine, date } = view.result
  const place = `${machine.cpu}, ${machine.cores} cores, kernel ${machine.kernel}, Node ${machine.node}`
  return [
    ...warnings(view).map(text => `> ${text}`),
    summary(view).join(' '),
    `${place}, commit ${machine.commit.slice(0, 12)}, ${date.slice(0, 10)}. Medians; 95 % intervals in brackets.`,
    ...titled('Targets of the engine bytes', targetTable(view)),
  ]
}

function titled(title: string, table: readonly Cells[]): readonly string[] {
  return table.length > 1 ? [`**${title}**`, markdownTable(table)] : []
}

function leftOut({ skipped }: Result): readonly string[] {
  return skipped.length > 0 ? [skipped.map(({ what, why }) => `- left out: ${what}: ${why}`).join('\n')] : []
}

const joined = (parts: readonly string[]): string => `${parts.join('\n\n')}\n`
