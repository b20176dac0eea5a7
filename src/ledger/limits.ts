/** Bounds of the ledger's formats. They are part of the protocol: every node enforces the same ones. */

/** Longest transaction, in bytes. */
export const MAX_TRANSACTION_BYTES = 64 * 1024
/** Longest header, in bytes. */
export const MAX_HEADER_BYTES = 1024
/** Most transactions in one block. */
export const MAX_BLOCK_TRANSACTIONS = 10_000
/** Most transaction bytes in one block. */
export const MAX_BLOCK_BYTES = 8 * 1024 * 1024
/** Most validators. */
export const MAX_VALIDATORS = 256
/** How far ahead of block time a transaction may stay valid, in milliseconds. */
export const MAX_VALIDITY_MS = 60 * 60 * 1000
/** Most roots, newest first, at which state stays provable. */
export const PROVABLE_ROOTS = 64
