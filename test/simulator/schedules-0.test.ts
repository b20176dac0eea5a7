import { runShare } from './shares.ts'

runShare(0)
