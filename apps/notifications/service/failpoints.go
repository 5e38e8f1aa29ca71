package service

// afterSend is the failpoint after a mail was sent and before it is marked as sent.
const afterSend = "notifications-mailed"
