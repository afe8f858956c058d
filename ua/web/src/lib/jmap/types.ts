// The nouns of RFC 8620 and RFC 8621 as far as this client uses them.

export type Id = string
export type State = string

export interface Session {
  apiUrl: string
  downloadUrl: string
  uploadUrl: string
  eventSourceUrl: string
  primaryAccounts: Record<string, Id>
  accounts: Record<Id, { name: string; isReadOnly: boolean; accountCapabilities: Record<string, Record<string, unknown>> }>
  capabilities: Record<string, Record<string, unknown>>
  username: string
  state: State
}

export type Role = 'inbox' | 'drafts' | 'sent' | 'archive' | 'junk' | 'trash' | null

export interface Mailbox {
  id: Id
  name: string
  parentId: Id | null
  role: Role
  sortOrder: number
  totalEmails: number
  unreadEmails: number
  totalThreads: number
  unreadThreads: number
  isSubscribed: boolean
  myRights: Record<string, boolean>
}

export interface Address {
  name: string | null
  email: string
}

export interface BodyPart {
  partId: string | null
  blobId: Id | null
  size: number
  name: string | null
  type: string
  charset: string | null
  disposition: string | null
  cid: string | null
  subParts?: BodyPart[]
}

export interface BodyValue {
  value: string
  isEncodingProblem: boolean
  isTruncated: boolean
}

/** What a list shows of a message. */
export interface Summary {
  id: Id
  blobId: Id
  threadId: Id
  mailboxIds: Record<Id, true>
  keywords: Record<string, true>
  from: Address[] | null
  to: Address[] | null
  subject: string | null
  receivedAt: string
  preview: string
  hasAttachment: boolean
  size: number
}

/** A whole message. */
export interface Email extends Summary {
  sender: Address[] | null
  cc: Address[] | null
  bcc: Address[] | null
  replyTo: Address[] | null
  sentAt: string | null
  messageId: string[] | null
  inReplyTo: string[] | null
  references: string[] | null
  htmlBody: BodyPart[]
  textBody: BodyPart[]
  attachments: BodyPart[]
  bodyValues: Record<string, BodyValue>
  [header: `header:${string}`]: unknown
}

export interface Identity {
  id: Id
  name: string
  email: string
  replyTo: Address[] | null
  bcc: Address[] | null
  textSignature: string
  htmlSignature: string
  mayDelete: boolean
}

export interface FilterCondition {
  inMailbox?: Id
  inMailboxOtherThan?: Id[]
  before?: string
  after?: string
  minSize?: number
  maxSize?: number
  allInThreadHaveKeyword?: string
  someInThreadHaveKeyword?: string
  hasKeyword?: string
  notKeyword?: string
  hasAttachment?: boolean
  text?: string
  from?: string
  to?: string
  cc?: string
  bcc?: string
  subject?: string
  body?: string
}

export type Filter = FilterCondition | { operator: 'AND' | 'OR' | 'NOT'; conditions: Filter[] }

export interface SetError {
  type: string
  description?: string
  properties?: string[]
}

export interface SetResult<T = Record<string, unknown>> {
  accountId: Id
  oldState: State | null
  newState: State
  created: Record<string, T & { id: Id }> | null
  updated: Record<Id, Partial<T> | null> | null
  destroyed: Id[] | null
  notCreated: Record<string, SetError> | null
  notUpdated: Record<Id, SetError> | null
  notDestroyed: Record<Id, SetError> | null
}

export interface GetResult<T> {
  accountId: Id
  state: State
  list: T[]
  notFound: Id[]
}

export interface QueryResult {
  accountId: Id
  queryState: State
  canCalculateChanges: boolean
  position: number
  ids: Id[]
  total?: number
}

export interface QueryChanges {
  oldQueryState: State
  newQueryState: State
  total?: number
  removed: Id[]
  added: { id: Id; index: number }[]
}

export interface Changes {
  oldState: State
  newState: State
  hasMoreChanges: boolean
  created: Id[]
  updated: Id[]
  destroyed: Id[]
  updatedProperties?: string[] | null
}

export interface StateChange {
  '@type': 'StateChange'
  changed: Record<Id, Record<string, State>>
}
