/** What the page says, in its languages. */
const en = {
  title: 'My records',
  language: 'Language',
  connecting: 'Connecting …',
  connected: 'Checked from the first block on: block {height}, {seconds} s old, {count} organisations.',
  stale: 'The newest block is {seconds} s old: what you see may be out of date.',
  start: 'Wallet',
  newWallet: 'Make a new wallet',
  phrase: '24 words of a wallet that I have',
  restore: 'Open this wallet',
  words: 'My words, to be written down',
  wordsOwn: 'Words of the wallet',
  wordsRecovery: 'Words for recovery, to be kept elsewhere',
  organisation: 'Organisation that answers for me',
  role: 'I am',
  patient: 'a patient',
  physician: 'a physician',
  card: 'My card, for the organisation’s staff list and for whoever shares with me',
  openFolder: 'Open my folder',
  folderOpen: 'Your folder is open.',
  write: 'Write',
  note: 'Note',
  file: 'Attachment',
  put: 'Write into my folder',
  written: 'Written: {stored} of {count} custodians keep it.',
  share: 'Share',
  theirCard: 'Card of whom I share with',
  grant: 'Let them read for a month',
  granted: 'Give them this code:',
  revoke: 'Take back from {name}',
  revoked: 'Taken back. New records have a new key.',
  events: 'What happened',
  read: 'Read',
  code: 'Code that I was given',
  openShared: 'Open what was shared with me',
  openOwn: 'Open my own records',
  save: 'Save',
  fingerprint: 'SHA-256',
  'records.anchored': 'Records were written.',
  'consents.granted': 'You let somebody read.',
  'consents.revoked': 'You took a permission back.',
  'folders.advanced': 'The folder has a new key.',
  'access.own': 'You opened your folder.',
  'access.other': '{name} opened your folder.',
  'not-found': 'There is nothing here that you may read.',
}

export type TextName = keyof typeof en

const de: Record<TextName, string> = {
  title: 'Meine Befunde',
  language: 'Sprache',
  connecting: 'Verbindung wird aufgebaut …',
  connected: 'Vom ersten Block an geprüft: Block {height}, {seconds} s alt, {count} Organisationen.',
  stale: 'Der neueste Block ist {seconds} s alt: Was Sie sehen, kann überholt sein.',
  start: 'Wallet',
  newWallet: 'Neue Wallet anlegen',
  phrase: '24 Wörter einer Wallet, die ich habe',
  restore: 'Diese Wallet öffnen',
  words: 'Meine Wörter, zum Aufschreiben',
  wordsOwn: 'Wörter der Wallet',
  wordsRecovery: 'Wörter zur Wiederherstellung, anderswo aufzubewahren',
  organisation: 'Organisation, die für mich einsteht',
  role: 'Ich bin',
  patient: 'Patientin oder Patient',
  physician: 'Ärztin oder Arzt',
  card: 'Meine Karte, für die Liste der Organisation und für alle, die etwas für mich freigeben',
  openFolder: 'Meine Mappe öffnen lassen',
  folderOpen: 'Ihre Mappe ist da.',
  write: 'Schreiben',
  note: 'Notiz',
  file: 'Anhang',
  put: 'In meine Mappe schreiben',
  written: 'Geschrieben: {stored} von {count} Verwahrern haben es.',
  share: 'Freigeben',
  theirCard: 'Karte der Person, für die ich freigebe',
  grant: 'Einen Monat lang lesen lassen',
  granted: 'Geben Sie ihr diesen Code:',
  revoke: 'Für {name} zurücknehmen',
  revoked: 'Zurückgenommen. Neue Befunde haben einen neuen Schlüssel.',
  events: 'Was geschah',
  read: 'Lesen',
  code: 'Code, den ich bekommen habe',
  openShared: 'Öffnen, was für mich freigegeben ist',
  openOwn: 'Meine eigenen Befunde öffnen',
  save: 'Speichern',
  fingerprint: 'SHA-256',
  'records.anchored': 'Befunde wurden geschrieben.',
  'consents.granted': 'Sie haben etwas freigegeben.',
  'consents.revoked': 'Sie haben eine Freigabe zurückgenommen.',
  'folders.advanced': 'Die Mappe hat einen neuen Schlüssel.',
  'access.own': 'Sie haben Ihre Mappe geöffnet.',
  'access.other': '{name} hat Ihre Mappe geöffnet.',
  'not-found': 'Hier ist nichts, was Sie lesen dürfen.',
}

const TEXTS = { en, de }
export type Language = keyof typeof TEXTS

let language: Language = navigator.language.startsWith('de') ? 'de' : 'en'

export function isText(name: string): name is TextName {
  return Object.hasOwn(en, name)
}

export function say(name: TextName, values: Record<string, string | number> = {}): string {
  return TEXTS[language][name].replace(/\{(\w+)\}/g, (_, value: string) => String(values[value]))
}

/** Puts the static texts of the page into a language. */
export function translate(to: Language = language): void {
  language = to
  document.documentElement.lang = to
  document.title = say('title')
  for (const element of document.querySelectorAll<HTMLElement>('[data-text]')) {
    const name = element.dataset.text ?? ''
    if (isText(name)) element.textContent = say(name)
  }
}
