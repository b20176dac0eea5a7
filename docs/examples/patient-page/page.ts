/**
 * A patient's page: a light peer in the browser. It takes the network's genesis and the nodes' addresses from `network.json` beside it, believes no node,
 * and keeps all keys in this tab.
 */
import {
  type Content,
  createEnrolment,
  createLightPeer,
  decodeCard,
  decodeShare,
  encodeCard,
  encodeShare,
  errorCode,
  type FolderAddress,
  follow,
  genesisCodec,
  grantConsent,
  type LightPeer,
  listVersions,
  type OwnedFolder,
  openFolders,
  openOwnSession,
  openSession,
  type Person,
  parseHex,
  putRecords,
  type RecordInput,
  readAccessLog,
  readFolder,
  readVersions,
  recordsFromFhir,
  revokeAndAdvance,
  type Session,
  scanFolders,
  toHex,
  useWorker,
} from 'epione/client'
import { type Holder, holderOf, personOf } from './person.ts'
import { isText, type Language, say, translate } from './texts.ts'

const MONTH_MS = 30 * 86_400_000
const PIECE_BYTES = 256 * 1024
const AGAIN_MS = 1_000

useWorker(() => new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' }))

let peer: LightPeer
let holder: Holder
let owned: OwnedFolder | undefined

function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no ${id}`)
  return found as T
}

const field = (id: string): HTMLTextAreaElement => element<HTMLTextAreaElement>(id)
const tell = (text: string): void => {
  element('said').textContent = text
}

/** Does what a button says, once at a time, and says what went wrong. */
function onPress(button: HTMLButtonElement, work: () => Promise<void>): void {
  button.addEventListener('click', () => {
    button.disabled = true
    element('problem').textContent = ''
    tell('')
    work()
      .catch(complain)
      .finally(() => {
        button.disabled = false
      })
  })
}

function complain(error: unknown): void {
  const code = errorCode(error)
  const text = isText(code) ? say(code) : error instanceof Error ? error.message : String(error)
  element('problem').textContent = `${text} (${code})`
}

function person(): Person {
  const organisation = parseHex(element<HTMLSelectElement>('organisation').value) as Uint8Array
  return personOf(holder, organisation, element<HTMLSelectElement>('role').value)
}

function folder(): OwnedFolder {
  if (owned === undefined) throw new Error('no folder is open')
  return owned
}

async function connect(): Promise<void> {
  const { nodes, genesis } = (await (await fetch('network.json')).json()) as { nodes: string[]; genesis: string }
  peer = await createLightPeer({ nodes, genesis: genesisCodec.decode(parseHex(genesis) as Uint8Array) })
  const members = await peer.members()
  const { asOf } = await peer.head()
  const line = element('connection')
  delete line.dataset.text
  const seconds = Math.round(asOf.ageMs / 1000)
  line.textContent = asOf.stale ? say('stale', { seconds }) : say('connected', { height: asOf.height, seconds, count: members.length })
  const options = members
    .filter(({ status }) => status === 'active')
    .map(({ id, organisation: { name, jurisdiction } }) => new Option(`${name} (${jurisdiction})`, toHex(id)))
  element<HTMLSelectElement>('organisation').replaceChildren(...options)
  for (const id of ['new-wallet', 'restore']) element<HTMLButtonElement>(id).disabled = false
}

async function start(words?: string): Promise<void> {
  holder = await holderOf(words)
  field('words-own').value = holder.words
  field('words-recovery').value = holder.recoveryWords ?? ''
  showCard()
  element('no-wallet').hidden = true
  element('has-wallet').hidden = false
  element('reading').hidden = false
  const { folders } = words === undefined ? { folders: [] } : await scanFolders(peer, holder.wallet)
  if (folders[0] !== undefined) showFolder(folders[0])
}

function showCard(): void {
  const { organisation, role, signing, sealing } = person()
  const keys = { signingKey: signing.publicKey, sealingKey: sealing.publicKey }
  field('card').value = encodeCard({
    version: 1,
    chainId: peer.chainId,
    organisation,
    name: say(role === 'patient' ? 'patient' : 'physician'),
    role,
    ...keys,
  })
}

async function openFolder(): Promise<void> {
  const author = person()
  const input = { chainId: peer.chainId, organisation: author.organisation, firstIndex: 0, labels: ['normal'] as const }
  await openFolders(peer, author, createEnrolment(holder.wallet, input))
  const { folders } = await scanFolders(peer, holder.wallet)
  if (folders[0] === undefined) return
  showFolder(folders[0])
  tell(say('folderOpen'))
}

function showFolder(found: OwnedFolder): void {
  owned = found
  element('open-folder').hidden = true
  element('has-folder').hidden = false
  element('open-own').hidden = false
  void watch(found)
}

/** A file as it is on the disk, read in pieces as often as it is needed. */
function contentOfFile(file: File): Content {
  return {
    size: file.size,
    async *open() {
      for (let at = 0; at < file.size; at += PIECE_BYTES) yield new Uint8Array(await file.slice(at, at + PIECE_BYTES).arrayBuffer())
    },
  }
}

async function write(): Promise<void> {
  const inputs: RecordInput[] = []
  const note = field('note').value.trim()
  if (note !== '') {
    const observation = { resourceType: 'Observation', status: 'final', code: { text: 'Note' }, valueString: note }
    const document = new TextEncoder().encode(JSON.stringify(observation))
    // The validator is for Node; what this page makes has one form, and that one is valid.
    const { inputs: resources } = await recordsFromFhir(document, { validate: false })
    inputs.push(...resources)
  }
  const file = element<HTMLInputElement>('file').files?.[0]
  if (file !== undefined)
    inputs.push({ mediaType: file.type || 'application/octet-stream', class: 'imaging', content: contentOfFile(file) })
  const { id, label, labelSalt } = folder()
  const address: FolderAddress = { id, label, labelSalt }
  const progress = element<HTMLProgressElement>('progress')
  progress.hidden = false
  try {
    const { custodians } = await putRecords(peer, person(), address, inputs, {
      onProgress: ({ bytes, totalBytes }) => {
        progress.value = totalBytes === 0 ? 0 : bytes / totalBytes
      },
    })
    tell(say('written', { stored: custodians.filter(({ stored }) => stored).length, count: custodians.length }))
  } finally {
    progress.hidden = true
  }
}

async function grant(): Promise<void> {
  const card = decodeCard(field('their-card').value.trim())
  const now = peer.now()
  const { share, consent } = await grantConsent(peer, holder.wallet, folder(), {
    sealingKey: card.sealingKey,
    note: card.name,
    provision: {
      decision: 'permit',
      grantee: { type: 'person', value: { organisation: card.organisation, key: card.signingKey } },
      purposes: ['TREAT'],
      classes: [],
      dataPeriod: null,
      authors: [],
      validity: { start: now - 60_000, end: now + MONTH_MS },
      exceptions: [],
    },
  })
  field('share-code').value = encodeShare(share)
  const [item, button] = [document.createElement('li'), document.createElement('button')]
  button.type = 'button'
  button.textContent = say('revoke', { name: card.name })
  onPress(button, async () => {
    await revokeAndAdvance(peer, holder.wallet, folder(), consent)
    const now = await readFolder(peer, folder().id)
    if (now !== null) owned = { ...folder(), folder: now }
    item.remove()
    field('share-code').value = ''
    tell(say('revoked'))
  })
  item.append(button)
  element('shares').append(item)
}

/** Says what happens to the folder, as it happens; goes on after the last event when nodes could not be reached. */
async function watch({ id }: OwnedFolder): Promise<void> {
  let next = 1
  for (;;) {
    try {
      for await (const { number, name, time } of follow(peer, [id], { fromEvent: () => next })) {
        const text = name === 'access.opened' ? await lastAccess() : isText(name) ? say(name) : undefined
        next = number + 1
        if (text === undefined) continue
        const item = document.createElement('li')
        item.textContent = `${new Date(time).toLocaleTimeString(document.documentElement.lang)} ${text}`
        element('events').append(item)
      }
    } catch {
      await new Promise(resolve => setTimeout(resolve, AGAIN_MS))
    }
  }
}

async function lastAccess(): Promise<string> {
  const { entries } = await readAccessLog(peer, holder.wallet, folder())
  const by = entries.at(-1)?.organisation
  return by == null ? say('access.own') : say('access.other', { name: by.organisation.name })
}

async function show(open: () => Promise<Session>): Promise<void> {
  const list = element('records')
  list.replaceChildren()
  const session = await open()
  const { versions } = await listVersions(peer, session)
  for await (const { header, content } of readVersions(peer, session, versions)) {
    const parts: BlobPart[] = []
    for await (const part of content) parts.push(part.slice())
    // Only now, at the end of the content, is it known that it is whole and as it was written.
    const blob = new Blob(parts, { type: 'application/octet-stream' })
    const digest = toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer())))
    const [item, link] = [document.createElement('li'), document.createElement('a')]
    item.textContent = `${header.mediaType}, ${blob.size.toLocaleString(document.documentElement.lang)} B, ${say('fingerprint')} ${digest} `
    link.href = URL.createObjectURL(blob)
    link.download = header.mediaType.includes('json') ? 'record.json' : 'record'
    link.textContent = say('save')
    item.append(link)
    list.append(item)
  }
}

const languages = element<HTMLSelectElement>('language')
translate()
languages.value = document.documentElement.lang
languages.addEventListener('change', () => translate(languages.value as Language))
for (const id of ['organisation', 'role']) element(id).addEventListener('change', showCard)
const press = (id: string, work: () => Promise<void>): void => onPress(element<HTMLButtonElement>(id), work)
press('new-wallet', async () => await start())
press('restore', async () => await start(field('phrase').value))
press('open-folder', openFolder)
press('put', write)
press('grant', grant)
press('open-own', async () => await show(async () => await openOwnSession(peer, holder.wallet, folder())))
press('open-shared', async () => await show(async () => await openSession(peer, person(), decodeShare(field('code').value.trim()))))
connect().catch(complain)
