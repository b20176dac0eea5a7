/** The command line as a whole: global options, groups of commands, help. Bodies of commands are loaded when they run. */
import { existsSync } from 'node:fs'
import { Command } from 'commander'
import { SETTINGS } from '../src/node/settings.ts'
import type { Host } from './context.ts'
import { declareAccessCommands } from './declarations/access.ts'
import { declareCorrectionCommands } from './declarations/corrections.ts'
import { declareDelegateCommands } from './declarations/delegate.ts'
import { declareEmergencyCommands } from './declarations/emergency.ts'
import { declareFolderCommands } from './declarations/folder.ts'
import { declareMemberCommands } from './declarations/members.ts'
import { declareNodeCommands } from './declarations/node.ts'
import { declareRecordCommands } from './declarations/records.ts'
import { declareRecoveryCommands } from './declarations/recovery.ts'
import { declareRightsCommands } from './declarations/rights.ts'
import { declareTestnetCommands } from './declarations/testnet.ts'
import { declareCompletion, declareToolCommands } from './declarations/tools.ts'
import { declareWalletCommands } from './declarations/wallet.ts'
import { EXIT_MEANING } from './exit-codes.ts'
import { packageInfo } from './package-info.ts'
import { collect } from './parse.ts'

/** The published package comes without the testnet: its faults are for a checkout of the project. */
const HAS_TESTNET = existsSync(new URL('../testnet', import.meta.url))

const FOOTER = `
Examples:
${HAS_TESTNET ? '  $ epione testnet up                     four hospitals on this machine\n' : ''}  $ epione wallet create                  a patient's keys
  $ epione record put history.json --folder 3f0c...
  $ epione record put --help              everything about one command

Exit codes:
${EXIT_MEANING.map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}`).join('\n')}

Environment: every setting of a node as EPIONE_... (epione start --help), and
  EPIONE_PASSPHRASE  passphrase of the keystore      EPIONE_WALLET  wallet file
  EPIONE_PEER        node to speak to                EPIONE_NODE    Node.js binary for the launcher
  EPIONE_IDENTITY    keystore of a person's keys     EPIONE_DEBUG   1 prints stacks of errors
  NO_COLOR           no colours`

/** The program, ready to parse. It never ends the process: errors of usage are thrown as CommanderError. */
export function buildProgram(host: Host, options: { completion?: boolean } = {}): Command {
  const program = new Command('epione')
    .description('epione keeps, finds and shares health records across borders with nobody in the middle.')
    .version(packageInfo().version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .option('--json', 'print JSON: one document with schemaVersion on stdout, errors as JSON on stderr')
    .option('--quiet', 'print no progress and no remarks')
    .option('--no-color', 'print without colours, as NO_COLOR does')
    .option('--home <folder>', `${SETTINGS.home.help} (${SETTINGS.home.env}, default ${SETTINGS.home.default})`)
    .option('--passphrase-file <file>', `file with the passphrase of the keystore (${SETTINGS.passphraseFile.env})`)
    .option('--peer <multiaddr>', 'node to speak to; may be given several times (EPIONE_PEER, default the node of the home)', collect)
    .option('--wallet <file>', 'wallet file (EPIONE_WALLET, default wallet.keystore in the home)')
    .option('--identity <file>', "keystore of a clinician's or officer's keys (EPIONE_IDENTITY, default identity.keystore in the home)")
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false, helpWidth: Math.min(host.stdout.columns ?? 100, 120) })
    .configureOutput({
      writeOut: text => host.stdout.write(text),
      writeErr: text => host.stderr.write(text),
      // main.ts prints errors in one way, wherever they come from.
      outputError: () => undefined,
    })
    .exitOverride()
    .addHelpText('after', FOOTER)
  declareNodeCommands(program, host)
  declareMemberCommands(program, host)
  declareWalletCommands(program, host)
  declareRecoveryCommands(program, host)
  declareDelegateCommands(program, host)
  declareRecordCommands(program, host)
  declareFolderCommands(program, host)
  declareAccessCommands(program, host)
  declareCorrectionCommands(program, host)
  declareRightsCommands(program, host)
  declareEmergencyCommands(program, host)
  if (HAS_TESTNET) declareTestnetCommands(program, host)
  declareToolCommands(program, host)
  program.addHelpCommand(new Command('help').argument('[command]').description('print help for a command').helpGroup('This program:'))
  if (options.completion !== false) declareCompletion(program, () => buildProgram(host, { completion: false }))
  return program
}
