/**
 * Defects that are planted on purpose, one at a time, in a copy of the sources: the simulator must find each of them. What it
 * cannot find is no better than what nobody looks for.
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Failure } from './batch.ts'

export interface Mutant {
  readonly name: string
  /** A seed whose schedule is known to give it away: the hunt begins there, which saves time and nothing else. */
  readonly seed: number
  /** File in src/consensus or, with a path, in src. */
  readonly file: string
  /** Texts that stand there once, and what stands there instead. */
  readonly edits: readonly { readonly find: string; readonly replace: string }[]
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'the lock is ignored for a fresh proposal (line 23)',
    seed: 166,
    file: 'machine.ts',
    edits: [
      {
        find: 'input.valid && (state.lockedRound === -1 || state.lockedValue === input.value)',
        replace: 'input.valid',
      },
    ],
  },
  {
    name: 'a nil polka unlocks (line 44)',
    seed: 2801,
    file: 'machine.ts',
    edits: [
      {
        find: "return state.step === 'prevote' ? precommit(state, null) : unchanged\n    case 'precommits-any'",
        replace:
          "return state.step === 'prevote' ? precommit({ ...state, lockedValue: null, lockedRound: -1 }, null) : unchanged\n    case 'precommits-any'",
      },
    ],
  },
  {
    name: 'nothing is locked at a polka (lines 37 to 39)',
    seed: 166,
    file: 'machine.ts',
    edits: [
      {
        find: 'return precommit({ ...applied, lockedValue: value, lockedRound: state.round }, value)',
        replace: 'return precommit(applied, value)',
      },
    ],
  },
  {
    name: 'the valid value is forgotten (lines 42 and 43)',
    seed: 34,
    file: 'machine.ts',
    edits: [
      {
        find: 'const applied: MachineState = { ...state, polkaApplied: true, validValue: value, validRound: state.round }',
        replace: 'const applied: MachineState = { ...state, polkaApplied: true }',
      },
    ],
  },
  {
    name: 'timeoutPropose never runs (line 21)',
    seed: 8,
    file: 'machine.ts',
    edits: [
      {
        find: 'if (!proposer) return { state: started, outputs: [timer] }',
        replace: 'if (!proposer) return { state: started, outputs: [] }',
      },
    ],
  },
  {
    name: 'timeoutPrecommit never runs (line 48)',
    seed: 1,
    file: 'machine.ts',
    edits: [
      {
        find: "outputs: [{ type: 'schedule', kind: 'precommit', round: state.round }],",
        replace: 'outputs: [],',
      },
    ],
  },
  {
    name: 'timeoutPrevote never runs (line 35)',
    seed: 2,
    file: 'machine.ts',
    edits: [
      {
        find: "outputs: [{ type: 'schedule', kind: 'prevote', round: state.round }],",
        replace: 'outputs: [],',
      },
    ],
  },
  {
    name: 'the round skip is dropped (line 55)',
    seed: 284,
    file: 'height.ts',
    edits: [
      {
        find: "if (skip !== undefined) yield { type: 'skip', round: skip }",
        replace: '',
      },
    ],
  },
  {
    name: 'a round is skipped to on one sender’s word',
    seed: 15,
    file: 'votes.ts',
    edits: [
      {
        find: 'if (r > round && (best === undefined || r > best) && isMoreThanThird(this.#power(senders), this.#total)) best = r',
        replace: 'if (r > round && (best === undefined || r > best) && senders.size > 0) best = r',
      },
    ],
  },
  {
    name: 'half of the weight is a quorum',
    seed: 2,
    file: 'ledger/header.ts',
    edits: [
      {
        find: 'return 3 * power > 2 * total',
        replace: 'return 2 * power > total',
      },
    ],
  },
  {
    name: 'two thirds are a quorum, not more than two thirds',
    seed: 2,
    file: 'ledger/header.ts',
    edits: [
      {
        find: 'return 3 * power > 2 * total',
        replace: 'return 3 * power >= 2 * total',
      },
    ],
  },
  {
    name: 'a second vote of one sender counts, too',
    seed: 63,
    file: 'votes.ts',
    edits: [
      {
        find: "return { status: 'conflict', evidence: voteEvidence(known, vote) }",
        replace:
          "const other = this.#roundOf(vote.round)[vote.kind]; other.weight.set(valueId(vote.block), (other.weight.get(valueId(vote.block)) ?? 0) + member.power); return { status: 'conflict', evidence: voteEvidence(known, vote) }",
      },
    ],
  },
  {
    name: 'a certificate counts one signer as often as it is named',
    seed: 166,
    file: 'votes.ts',
    edits: [
      {
        find: 'entry.group.set(sender, vote)',
        replace: "entry.group.set(sender + ' '.repeat(entry.group.size), vote)",
      },
    ],
  },
  {
    name: 'what is said is not synced first',
    seed: 11,
    file: 'engine.ts',
    edits: [
      {
        find: '      await this.#journal.sync()\n',
        replace: '',
      },
    ],
  },
  {
    name: 'the bodies of what is voted for are not kept',
    seed: 20,
    file: 'values.ts',
    edits: [
      {
        find: 'if (application.bodies === undefined) return true',
        replace: 'return true',
      },
    ],
  },
  {
    name: 'the last votes of the guard are not given again after a crash',
    seed: 508,
    file: 'engine.ts',
    edits: [
      {
        find: "for (const vote of journal.unlogged) this.#submit({ type: 'votes', value: [vote] })",
        replace: '',
      },
    ],
  },
  {
    name: 'the verdict on a value is not waited for',
    seed: 1,
    file: 'height.ts',
    edits: [
      {
        find: "if (!fresh || valid !== undefined) yield { type: 'proposal', round, value, valid: fresh && valid === true }",
        replace: "yield { type: 'proposal', round, value, valid: fresh && valid !== false }",
      },
    ],
  },
  {
    name: 'the time of a fresh proposal is not judged',
    seed: 18,
    file: 'height.ts',
    edits: [
      {
        find: 'const fresh = held.timely && equalBytes(held.proposal.header.proposer, held.proposal.validator)',
        replace: 'const fresh = equalBytes(held.proposal.header.proposer, held.proposal.validator)',
      },
    ],
  },
  {
    name: 'the proposer in a fresh header is not compared',
    seed: 54,
    file: 'height.ts',
    edits: [
      {
        find: 'const fresh = held.timely && equalBytes(held.proposal.header.proposer, held.proposal.validator)',
        replace: 'const fresh = held.timely',
      },
    ],
  },
  {
    name: 'time may stand still from block to block',
    seed: 124,
    file: 'candidates.ts',
    edits: [
      {
        find: 'header.time > parent.time &&',
        replace: '',
      },
    ],
  },
  {
    name: 'a polka of the past is taken on trust (line 28)',
    seed: 486,
    file: 'height.ts',
    edits: [
      {
        find: "} else if (valid !== undefined && this.votes.quorum('prevote', validRound, value)) {",
        replace: '} else if (valid !== undefined) {',
      },
    ],
  },
  {
    name: 'anybody may propose',
    seed: 1107,
    file: 'height.ts',
    edits: [
      {
        find: "if (!equalBytes(proposal.validator, this.proposer(proposal.round))) return 'wrong-proposer'",
        replace: '',
      },
      { find: 'if (!equalBytes(validator, this.proposer(round))) return', replace: '' },
    ],
  },
  {
    name: 'signatures are not checked',
    seed: 108,
    file: 'intake.ts',
    edits: [
      {
        find: 'if (await this.#verify(message)) {',
        replace: 'if (message !== undefined) {',
      },
    ],
  },
  {
    name: 'nothing is said again',
    seed: 35,
    file: 'height.ts',
    edits: [
      {
        find: "if (this.#self !== null) for (const message of this.resend()) this.#emit({ type: 'broadcast', message })",
        replace: '',
      },
    ],
  },
  {
    name: 'timers do not grow with the round',
    seed: 249,
    file: 'height.ts',
    edits: [
      {
        find: 'const growth = growthMs * round',
        replace: 'const growth = 0 * growthMs * round',
      },
    ],
  },
]

export interface Hunt {
  /** The failure that gave the mutant away; null where it lived. */
  readonly killed: Failure | null
  /** Schedules that it took. */
  readonly schedules: number
}

export interface HuntOptions {
  /** Folder of the repository. */
  root: string
  /** Most schedules, from the mutant's seed on. */
  schedules: number
}

/** Plants a mutant in a copy of the sources and simulates until it is found, or the schedules are used up. */
export async function hunt(mutant: Mutant, { root, schedules }: HuntOptions): Promise<Hunt> {
  const dir = mkdtempSync(join(tmpdir(), 'epione-mutant-'))
  try {
    for (const part of ['package.json', 'src', 'testnet/simulator', 'testnet/population']) {
      cpSync(join(root, part), join(dir, part), { recursive: true })
    }
    symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'))
    const path = join(dir, pathOf(mutant))
    writeFileSync(path, mutated(mutant, readFileSync(path, 'utf8')))
    return await runHunt(dir, mutant.seed, schedules)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Path of the mutant's file in the repository. */
export function pathOf({ file }: Mutant): string {
  return file.includes('/') ? `src/${file}` : `src/consensus/${file}`
}

/** The source with the defect. @throws Error where the text does not stand there just once: the list must follow the code */
export function mutated({ name, edits }: Mutant, source: string): string {
  let text = source
  for (const { find, replace } of edits) {
    const parts = text.split(find)
    if (parts.length !== 2) throw new Error(`the mutant "${name}" has ${parts.length - 1} places in the source`)
    text = parts.join(replace)
  }
  return text
}

function runHunt(dir: string, seed: number, schedules: number): Promise<Hunt> {
  return new Promise((resolve, reject) => {
    const script = join(dir, 'testnet/simulator/hunt.ts')
    const child = spawn(process.execPath, ['--max-semi-space-size=64', script, String(seed), String(schedules)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', text => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', text => (stderr += text))
    child.on('error', reject)
    child.on('close', () => {
      try {
        resolve(JSON.parse(stdout) as Hunt)
      } catch {
        reject(new Error(`the hunt gave no answer: ${stderr.slice(-2000)}`))
      }
    })
  })
}
