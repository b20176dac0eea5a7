/**
 * Loads a node's settings: flag over environment over file over default, each checked by the schema of its kind, each with its origin.
 * The file is YAML; errors name file, line and column, and an unknown key is an error with a suggestion.
 */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { multiaddr } from '@multiformats/multiaddr'
import { isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml'
import { z } from 'zod'
import { EpioneError } from '../encoding/errors.ts'
import { readBoundedFile } from './config-file.ts'
import { type Endpoint, isLoopback, parseEndpoint } from './endpoint.ts'
import {
  LOG_LEVELS,
  type NodeConfig,
  OTHER_ENVIRONMENT,
  SETTING_NAMES,
  SETTINGS,
  type SettingKind,
  type SettingName,
  type SettingValues,
} from './settings.ts'

/** Name of the settings file in a node's home. */
export const CONFIG_FILE = 'config.yaml'
/** Longest settings file that is read, in bytes. */
export const MAX_CONFIG_BYTES = 256 * 1024
const MAX_ADDRESSES = 64

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
}

/** Bytes of a text such as `512`, `10GiB` or `1.5 TB`; undefined where it is none. */
export function parseByteSize(text: string): number | undefined {
  const [, digits, unit] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text) ?? []
  const factor = UNITS[unit?.toLowerCase() ?? '?']
  const bytes = digits === undefined || factor === undefined ? Number.NaN : Math.round(Number(digits) * factor)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

function isMultiaddr(text: string): boolean {
  try {
    multiaddr(text)
    return true
  } catch {
    return false
  }
}

const address = z.string().refine(isMultiaddr, { error: 'must be a multiaddr such as /ip4/0.0.0.0/tcp/7700' })
const addresses = (item: z.ZodType<string>) => z.array(item, { error: 'must be a list of multiaddrs' }).max(MAX_ADDRESSES)

/** The schema of each kind of setting, for values as the file gives them; texts of flags and environment are prepared by `fromText`. */
const KINDS = {
  path: z.string({ error: 'must be a path' }).min(1, { error: 'must not be empty' }),
  level: z.enum(LOG_LEVELS, { error: `must be one of ${LOG_LEVELS.join(', ')}` }),
  multiaddrs: addresses(address),
  peers: addresses(address.refine(text => text.includes('/p2p/'), { error: 'must end in /p2p/<peer id>' })),
  bytes: z
    .union([z.number(), z.string().transform(text => parseByteSize(text) ?? Number.NaN)])
    .refine(value => Number.isSafeInteger(value) && value >= 0, {
      error: 'must be a number of bytes, such as 1073741824 or 1GiB',
    }),
  count: z
    .number({ error: 'must be a whole number' })
    .int({ error: 'must be a whole number' })
    .min(0, { error: 'must not be negative' })
    .max(1e9, { error: 'must be at most 1000000000' }),
  endpoint: z
    .string({ error: 'must be host and port' })
    .refine(text => parseEndpoint(text) !== undefined, { error: 'must be an IP address or localhost with a port, such as 127.0.0.1:7790' }),
} satisfies Readonly<Record<SettingKind, z.ZodType>>

/** A flag's or an environment variable's text as the value that a file would hold. Lists are separated by commas. */
function fromText(kind: SettingKind, text: string): unknown {
  if (kind === 'count') return /^\s*\d+\s*$/.test(text) ? Number(text) : text
  if (kind !== 'multiaddrs' && kind !== 'peers') return text
  return text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
}

/** Where a value comes from: `--listen`, `EPIONE_LISTEN`, `/srv/epione/config.yaml:3:9`, or `default`. */
export interface Origin {
  source: 'flag' | 'env' | 'file' | 'default'
  at: string
}

export interface LoadedConfig {
  config: NodeConfig
  origins: Readonly<Record<SettingName, Origin>>
}

/** Values of flags as they were typed; a list flag may be given several times. */
export type ConfigFlags = Partial<Readonly<Record<SettingName, string | readonly string[]>>>

export interface ConfigSources {
  flags?: ConfigFlags
  env?: Readonly<Record<string, string | undefined>>
  /** The settings file: its path (for messages and to resolve relative paths against) and its text. */
  file?: { path: string; text: string } | null
  /** Folder against which relative paths of flags and environment are resolved; the working directory by default. */
  cwd?: string
}

interface Problem {
  at: string
  sentence: string
}

interface Found {
  value: unknown
  origin: Origin
}

/**
 * The settings that these sources give. Everything that is wrong is reported at once.
 * @throws EpioneError `config-invalid`: one line for each problem; metadata `problems` counts them, `at` names the first place
 */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const { flags = {}, env = {}, file = null, cwd = process.cwd() } = sources
  const problems: Problem[] = []
  const inFile = file === null ? new Map<SettingName, Found>() : readFileValues(file, problems)
  const config: Record<string, unknown> = {}
  const origins: Record<string, Origin> = {}
  for (const name of SETTING_NAMES) {
    const { kind, default: value, flag, env: variable } = SETTINGS[name]
    const typed = flags[name]
    const exported = env[variable]
    let found: Found
    if (typed !== undefined) {
      const list = typeof typed === 'string' ? fromText(kind, typed) : typed.flatMap(text => fromText(kind, text) as string[])
      found = { value: list, origin: { source: 'flag', at: flag } }
    } else if (exported !== undefined && exported !== '') {
      found = { value: fromText(kind, exported), origin: { source: 'env', at: variable } }
    } else {
      found = inFile.get(name) ?? { value, origin: { source: 'default', at: 'default' } }
    }
    origins[name] = found.origin
    config[name] = found.value === null ? null : check(name, found, problems)
    if (kind === 'path' && typeof config[name] === 'string') {
      config[name] = absolute(config[name], found.origin.source === 'file' && file !== null ? resolve(file.path, '..') : cwd)
    }
  }
  if (problems.length === 0) checkTogether(config as NodeConfig, origins as Record<SettingName, Origin>, problems)
  if (problems.length > 0) throw configInvalid(problems)
  return { config: config as NodeConfig, origins: origins as Record<SettingName, Origin> }
}

/** As {@link loadConfig}, with the file that is in the home, if one is there. @throws as loadConfig, and `config-unreadable` */
export async function loadHomeConfig(
  sources: Omit<ConfigSources, 'file'>,
): Promise<LoadedConfig & { file: { path: string; text: string } | null }> {
  const { flags, env, cwd = process.cwd() } = sources
  const home = flags?.home ?? (env?.[SETTINGS.home.env] || SETTINGS.home.default)
  const path = join(absolute(String(home), cwd), CONFIG_FILE)
  const text = await readBoundedFile(path, MAX_CONFIG_BYTES)
  const file = text === null ? null : { path, text }
  return { ...loadConfig({ ...sources, file }), file }
}

/** Warnings about `EPIONE_...` names in the environment that nothing reads. */
export function unknownEnvironment(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = [...SETTING_NAMES.map(name => SETTINGS[name].env), ...Object.keys(OTHER_ENVIRONMENT)]
  return Object.keys(env)
    .filter(name => name.startsWith('EPIONE_') && !known.includes(name))
    .sort()
    .map(name => `nothing reads the environment variable ${name}${didYouMean(name, known)}`)
}

/** Text of a settings file: these values, and every other setting as a comment with its default. */
export function configTemplate(values: Partial<NodeConfig> = {}): string {
  const lines = ['# Settings of this node. Flags and EPIONE_... variables go before this file; what is commented out shows the default.']
  for (const name of SETTING_NAMES) {
    const { help, env, default: fallback, kind, ...rest } = SETTINGS[name]
    if ('notInFile' in rest) continue
    const value = values[name]
    const shown = value ?? fallback
    const text = shown === null ? '' : kind === 'bytes' ? formatByteSize(shown as number) : JSON.stringify(shown)
    lines.push('', `# ${help} (${env})`, `${value === undefined ? '# ' : ''}${name}: ${text}`.trimEnd())
  }
  return `${lines.join('\n')}\n`
}

/** The shortest exact form, such as `256GiB` or `1000`. */
export function formatByteSize(bytes: number): string {
  for (const [unit, factor] of [
    ['TiB', 2 ** 40] as const,
    ['GiB', 2 ** 30] as const,
    ['MiB', 2 ** 20] as const,
    ['KiB', 2 ** 10] as const,
  ]) {
    if (bytes > 0 && bytes % factor === 0) return `${bytes / factor}${unit}`
  }
  return String(bytes)
}

function check<N extends SettingName>(name: N, found: Found, problems: Problem[]): SettingValues[SettingKind] | undefined {
  const result = KINDS[SETTINGS[name].kind].safeParse(found.value)
  if (result.success) return result.data
  for (const issue of result.error.issues) {
    const index = typeof issue.path[0] === 'number' ? ` (item ${issue.path[0] + 1})` : ''
    problems.push({ at: found.origin.at, sentence: `${name}${index} ${issue.message}` })
  }
  return undefined
}

/** What no single setting shows. */
function checkTogether(config: NodeConfig, origins: Record<SettingName, Origin>, problems: Problem[]): void {
  if (config.fragmentQuota > config.storageQuota) {
    problems.push({
      at: (origins.fragmentQuota.source === 'default' ? origins.storageQuota : origins.fragmentQuota).at,
      sentence: `fragmentQuota (${formatByteSize(config.fragmentQuota)}) must not be above storageQuota (${formatByteSize(config.storageQuota)})`,
    })
  }
  if (config.organisationQuota !== null && config.organisationQuota > config.fragmentQuota) {
    problems.push({
      at: origins.organisationQuota.at,
      sentence: `organisationQuota (${formatByteSize(config.organisationQuota)}) must not be above fragmentQuota (${formatByteSize(config.fragmentQuota)})`,
    })
  }
  const prunes = config.retainBlocks > 0 ? 'retainBlocks' : config.retainHours > 0 ? 'retainHours' : undefined
  if (prunes !== undefined && config.snapshotInterval === 0) {
    problems.push({
      at: (origins.snapshotInterval.source === 'default' ? origins[prunes] : origins.snapshotInterval).at,
      sentence: `${prunes} forgets old blocks: newcomers then need snapshots, so snapshotInterval must not be 0`,
    })
  }
  if (config.operations !== null && config.operationsTokenFile === null) {
    const { host } = parseEndpoint(config.operations as string) as Endpoint
    if (!isLoopback(host)) {
      problems.push({
        at: origins.operations.at,
        sentence: `operations at ${host} can be reached from other machines: name a file with a token in operationsTokenFile, or choose 127.0.0.1`,
      })
    }
  }
  if (config.listen.length === 0) problems.push({ at: origins.listen.at, sentence: 'listen needs at least one address' })
}

/** Reads the file's values with their places; unknown keys, other shapes and syntax errors go to `problems`. */
function readFileValues(file: { path: string; text: string }, problems: Problem[]): Map<SettingName, Found> {
  const values = new Map<SettingName, Found>()
  const lines = new LineCounter()
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset)
    return `${file.path}:${line}:${col}`
  }
  const document = parseDocument(file.text, { lineCounter: lines, prettyErrors: false, customTags: [], merge: false, stringKeys: true })
  for (const { pos, message } of [...document.errors, ...document.warnings]) {
    problems.push({ at: at(pos[0]), sentence: message.split('\n')[0] ?? 'is not YAML' })
  }
  if (problems.length > 0 || document.contents === null) return values
  if (!isMap(document.contents)) {
    problems.push({ at: at(document.contents.range?.[0] ?? 0), sentence: 'the file must hold settings as "name: value"' })
    return values
  }
  for (const { key, value } of document.contents.items) {
    const name = isScalar(key) ? String(key.value) : '?'
    const place = at((key as Node).range?.[0] ?? 0)
    if (!isSettingName(name)) {
      problems.push({ at: place, sentence: `there is no setting ${name}${didYouMean(name, SETTING_NAMES)}` })
      continue
    }
    const setting = SETTINGS[name]
    if ('notInFile' in setting) {
      problems.push({ at: place, sentence: `${name} cannot be set in the file: ${setting.notInFile}` })
      continue
    }
    const node = value as Node | null
    let plain: unknown
    try {
      plain = node === null ? null : node.toJS(document, { maxAliasCount: 16 })
    } catch (error) {
      problems.push({ at: place, sentence: `${name}: ${error instanceof Error ? error.message : 'cannot be read'}` })
      continue
    }
    // A key without a value counts as absent, as its commented form does.
    if (plain === null) continue
    const origin: Origin = { source: 'file', at: at(node?.range?.[0] ?? 0) }
    // One address may stand without a list.
    const isList = setting.kind === 'multiaddrs' || setting.kind === 'peers'
    values.set(name, { value: isList && typeof plain === 'string' ? [plain] : plain, origin })
  }
  return values
}

function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name)
}

/** `~` is the user's home folder; relative paths start at `base`. */
function absolute(path: string, base: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : resolve(base, path)
}

function configInvalid(problems: readonly Problem[]): EpioneError {
  const text = problems.map(({ at, sentence }) => `${at}: ${sentence}`).join('\n')
  return new EpioneError('config-invalid', text, { metadata: { problems: problems.length, at: problems[0]?.at ?? '' } })
}

/** ` (did you mean x?)` where one of the names is near, else nothing. */
function didYouMean(name: string, names: readonly string[]): string {
  const near = names
    .map(candidate => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.distance - b.distance)[0]
  return near === undefined ? '' : ` (did you mean ${near.candidate}?)`
}

/** Levenshtein distance. Names are short: what is longer than 64 characters is far from everything. */
function editDistance(a: string, b: string): number {
  if (a.length > 64 || b.length > 64) return 64
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]!
}
