/** Plays the steps of a scenario, one after the other. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Act, describeAct, parseAct } from '../control/acts.ts'
import { expect } from './expectations/expect.ts'
import type { Doing, Step } from './manifest.ts'
import { play } from './plays/play.ts'
import { ScenarioFailure, type Scene } from './scene.ts'

export interface StepReport {
  /** Since the start of the steps, in ms. */
  atMs: number
  tookMs: number
  kind: 'do' | 'wait' | 'expect' | 'play'
  what: string
  held: boolean
  /** What was seen, or what did not hold. */
  note: string
}

export async function playSteps(scene: Scene, steps: readonly Step[], onStep: (report: StepReport) => void): Promise<void> {
  const began = performance.now()
  const timed = async (kind: StepReport['kind'], what: string, act: () => Promise<string>): Promise<void> => {
    scene.signal.throwIfAborted()
    const startMs = performance.now()
    const report = (held: boolean, note: string): void =>
      onStep({ atMs: Math.round(startMs - began), tookMs: Math.round(performance.now() - startMs), kind, what, held, note })
    try {
      report(true, await act())
    } catch (error) {
      // What ended the scenario from outside is told as that.
      scene.signal.throwIfAborted()
      const failure =
        error instanceof ScenarioFailure ? error : new ScenarioFailure(`${what}: ${(error as Error).message}`, { cause: error })
      report(false, failure.message)
      throw failure
    }
  }
  const run = async (list: readonly Step[]): Promise<void> => {
    for (const step of list) {
      if ('do' in step) {
        const act = actOf(scene, step.do)
        await timed('do', describeAct(act), async () => {
          await scene.mind.perform(act)
          return ''
        })
      } else if ('wait' in step) {
        await timed('wait', `${step.wait / 1000} s`, async () => {
          await sleep(step.wait, undefined, { signal: scene.signal })
          return ''
        })
      } else if ('expect' in step) await timed('expect', nameOf(step.expect), async () => await expect(scene, step.expect))
      else if ('play' in step) await timed('play', nameOf(step.play), async () => await play(scene, step.play))
      else if ('each' in step) {
        for (const index of scene.indices(step.each.of)) {
          scene.choose(step.each.as, index)
          await run(step.each.steps)
        }
      } else {
        for (let i = 0; i < step.repeat.times; i++) {
          chooseNodes(scene, step.repeat.choose)
          await run(step.repeat.steps)
        }
      }
    }
  }
  await run(steps)
}

/** Names nodes that the seed picks, no two of one call the same. */
export function chooseNodes(scene: Scene, choices: Readonly<Record<string, 'validator' | 'full' | 'node'>>): void {
  const taken: number[] = []
  for (const [name, kind] of Object.entries(choices)) {
    const pool = scene.indices(kind === 'node' ? 'all' : kind === 'full' ? 'full' : 'validators').filter(index => !taken.includes(index))
    if (pool.length === 0) throw new ScenarioFailure(`There is no ${kind} left to choose as ${name}.`)
    const index = scene.random.pick(pool)
    taken.push(index)
    scene.choose(name, index)
  }
}

function nameOf(what: object): string {
  const [[name, options]] = Object.entries(what) as [[string, object]]
  const told = Object.entries(options).map(([key, value]) => `${key} ${typeof value === 'object' ? JSON.stringify(value) : value}`)
  return `${name.replaceAll('_', ' ')}${told.length === 0 ? '' : ` (${told.join(', ')})`}`
}

function actOf(scene: Scene, doing: Doing): Act {
  const groups = 'groups' in doing ? doing.groups?.map(group => group.map(name => scene.id(scene.index(name)))) : undefined
  const node = 'node' in doing ? scene.id(scene.index(doing.node)) : undefined
  switch (doing.verb) {
    case 'delay':
      return parseAct({ verb: 'delay', ms: doing.by, jitterMs: doing.jitter, ...(groups === undefined ? {} : { groups }) })
    case 'slow-disk':
      return parseAct({ verb: 'slow-disk', node, ms: doing.by })
    case 'clock':
      return parseAct({ verb: 'clock', node, ms: (doing.ahead ?? 0) - (doing.behind ?? 0) })
    case 'byzantine':
      return parseAct({ verb: 'byzantine', node, mode: doing.mode === 'honest' ? null : doing.mode })
    default:
      return parseAct({ ...doing, ...(groups === undefined ? {} : { groups }), ...(node === undefined ? {} : { node }) })
  }
}
