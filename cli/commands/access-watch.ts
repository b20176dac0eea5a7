/** `epione access watch` */
import { readAccessLog } from '../../src/client/access-log.ts'
import { listConsents } from '../../src/client/consents.ts'
import { type OwnedFolder, scanFolders, type Wallet } from '../../src/client/folders.ts'
import { type FolderEvent, follow } from '../../src/client/follow.ts'
import type { LightPeer, MemberInfo } from '../../src/client/light-peer.ts'
import { sleep } from '../../src/client/sleep.ts'
import { type AccessOpened, decodeEventData, isEventName } from '../../src/contracts/events.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import { type AccessLine, lineOfLog } from '../access-lines.ts'
import type { Context } from '../context.ts'
import { formatInstant, printable } from '../format.ts'
import { idBytes, withWallet } from '../wallet-session.ts'

export interface AccessWatchOptions {
  folder?: string
  fromEvent?: number
  count?: number
}

/** One line of what `--json` prints. */
export type WatchItem =
  | {
      type: 'event'
      folder: string
      number: number
      name: string
      height: number
      timeMs: number
      organisation: string | null
      entry: string | null
    }
  /** Who a session turned out to be of, as soon as a custodian has released something in it. */
  | {
      type: 'reader'
      folder: string
      entry: string
      reader: AccessLine['reader']
      organisation: AccessLine['organisation']
      purpose: string | null
    }

/** When it is asked who opened a session, after it was told, in ms: custodians know it from the first release on. */
const ASKED_AFTER_MS = [1_000, 3_000, 10_000, 30_000, 120_000] as const
/** Most sessions of which it is asked at once. */
const MAX_ASKED = 32

/** Prints what happens until it is interrupted, or after `count` events. */
export async function accessWatch(context: Context, options: AccessWatchOptions): Promise<void> {
  if (options.fromEvent !== undefined && options.folder === undefined) {
    throw new EpioneError('missing-option', 'events are numbered for each folder; name one with --folder')
  }
  await withWallet(context, async ({ peer, wallet }) => {
    const { signal } = context
    const { folders } = await scanFolders(peer, wallet, { signal })
    const watched = options.folder === undefined ? folders : folders.filter(({ id }) => equalBytes(id, idBytes(options.folder as string)))
    if (watched.length === 0) throw new EpioneError('not-found', 'This wallet owns no such folder.')
    const members = await peer.members({ signal })
    const asked = new Set<Promise<void>>()
    let left = options.count ?? Number.POSITIVE_INFINITY
    const fromEvent = (): number | undefined => options.fromEvent
    context.output.note(
      `watching ${watched.length === 1 ? 'one folder' : `${watched.length} folders`}; the node that is asked learns that they are of one wallet`,
    )
    for await (const event of follow(
      peer,
      watched.map(({ id }) => id),
      { signal, fromEvent },
    )) {
      const opened = openedIn(event)
      print(context, event, opened, members)
      const owned = watched.find(({ id }) => equalBytes(id, event.folder))
      if (opened !== null && opened.organisation !== null && owned !== undefined && asked.size < MAX_ASKED) {
        const task = tellReader(context, { peer, wallet, owned }, opened.entry).finally(() => asked.delete(task))
        asked.add(task)
      }
      if (--left <= 0) break
    }
    await Promise.all(asked)
  })
}

function openedIn({ name, data }: FolderEvent): AccessOpened | null {
  return name === 'access.opened' ? decodeEventData('access.opened', data) : null
}

function print({ output }: Context, event: FolderEvent, opened: AccessOpened | null, members: readonly MemberInfo[]): void {
  const { folder, number, name, height, time } = event
  const organisation = opened?.organisation ?? null
  const member = organisation === null ? undefined : members.find(({ id }) => equalBytes(id, organisation))
  const item: WatchItem = {
    type: 'event',
    folder: toHex(folder),
    number,
    name,
    height,
    timeMs: time,
    organisation: organisation === null ? null : toHex(organisation),
    entry: opened === null ? null : toHex(opened.entry),
  }
  output.item(item, () => {
    const what =
      opened === null
        ? inWords(name)
        : `${member === undefined ? 'you' : `somebody at ${printable(member.organisation.name)}`} opened a session`
    return `${formatInstant(time)}  folder ${item.folder.slice(0, 16)}  ${number}  ${what}`
  })
}

const WORDS: Readonly<Record<string, string>> = {
  'folders.created': 'the folder was opened',
  'folders.rotated': 'the keys of its owner were changed',
  'folders.advanced': 'a new key for new records',
  'records.anchored': 'records were added',
  'records.erased': 'records were erased',
  'consents.granted': 'a consent was given',
  'consents.revoked': 'a consent was taken back',
}

function inWords(name: string): string {
  return WORDS[name] ?? (isEventName(name) ? name : `something that this version does not know (${printable(name)})`)
}

/** Says who it was as soon as a custodian knows. */
async function tellReader(
  { output, signal }: Context,
  { peer, wallet, owned }: { peer: LightPeer; wallet: Wallet; owned: OwnedFolder },
  entry: Uint8Array,
): Promise<void> {
  for (const ms of ASKED_AFTER_MS) {
    try {
      await sleep(ms, signal)
      const log = await readAccessLog(peer, wallet, owned, { signal })
      const logged = log.entries.find(({ id }) => equalBytes(id, entry))
      if (logged === undefined || logged.opening === null) continue
      const line = lineOfLog(logged, await listConsents(peer, wallet, owned, { signal }), new Map())
      const { reader, organisation, purpose } = line
      const item: WatchItem = { type: 'reader', folder: toHex(owned.id), entry: toHex(entry), reader, organisation, purpose }
      output.item(item, () => {
        const who = printable(reader?.name ?? `key ${reader?.key.slice(0, 16)}`)
        return `${formatInstant(line.timeMs)}  folder ${item.folder.slice(0, 16)}  that was ${who}, ${reader?.role} at ${printable(organisation?.name ?? '?')}, for ${purpose}`
      })
      return
    } catch (error) {
      if (signal.aborted) return
      output.warn(`who opened ${toHex(entry).slice(0, 16)} could not be asked (${errorCode(error)})`)
    }
  }
}
