package service

// A step after which a process may die, for the chaos tests.
const afterSend = "notifications-mailed" // a mail is sent, and that is not marked
