package jmap

import (
	"encoding/json"
	"maps"
)

// Problem is an error of a whole request (RFC 8620 3.6.1, RFC 7807).
type Problem struct {
	Type   string `json:"type"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Limit  string `json:"limit,omitempty"`
}

// Error is the detail.
func (p *Problem) Error() string { return p.Detail }

// The problems of RFC 8620 3.6.1.
const (
	ProblemUnknownCapability = "urn:ietf:params:jmap:error:unknownCapability"
	ProblemNotJSON           = "urn:ietf:params:jmap:error:notJSON"
	ProblemNotRequest        = "urn:ietf:params:jmap:error:notRequest"
	ProblemLimit             = "urn:ietf:params:jmap:error:limit"
	ProblemOther             = "about:blank"
)

// NewProblem makes a problem with status 400.
func NewProblem(kind, detail string) *Problem {
	return &Problem{Type: kind, Status: 400, Detail: detail}
}

// MethodError is an error of one call (RFC 8620 3.6.2), or of one object of a set (RFC 8620 5.3). Extra are members beside type and
// description, such as properties.
type MethodError struct {
	Type        string
	Description string
	Extra       map[string]any
}

// Error is the type and the description.
func (e *MethodError) Error() string { return e.Type + ": " + e.Description }

// MarshalJSON writes type, description and the rest as one object.
func (e *MethodError) MarshalJSON() ([]byte, error) {
	all := map[string]any{}
	maps.Copy(all, e.Extra)
	all["type"] = e.Type
	if e.Description != "" {
		all["description"] = e.Description
	}
	return json.Marshal(all)
}

// Errorf makes an error of a type.
func Errorf(kind, description string) *MethodError {
	return &MethodError{Type: kind, Description: description}
}

// The errors of methods (RFC 8620 3.6.2, RFC 8620 5) and of objects (RFC 8620 5.3, RFC 8621).
const (
	ErrServerUnavailable   = "serverUnavailable"
	ErrServerFail          = "serverFail"
	ErrServerPartialFail   = "serverPartialFail"
	ErrUnknownMethod       = "unknownMethod"
	ErrInvalidArguments    = "invalidArguments"
	ErrInvalidReference    = "invalidResultReference"
	ErrForbidden           = "forbidden"
	ErrAccountNotFound     = "accountNotFound"
	ErrAccountNotSupported = "accountNotSupportedByMethod"
	ErrAccountReadOnly     = "accountReadOnly"
	ErrRequestTooLarge     = "requestTooLarge"
	ErrCannotCalculate     = "cannotCalculateChanges"
	ErrTooManyChanges      = "tooManyChanges"
	ErrStateMismatch       = "stateMismatch"
	ErrAnchorNotFound      = "anchorNotFound"
	ErrUnsupportedSort     = "unsupportedSort"
	ErrUnsupportedFilter   = "unsupportedFilter"
	ErrFromAccountNotFound = "fromAccountNotFound"
	ErrOverQuota           = "overQuota"
	ErrTooLarge            = "tooLarge"
	ErrRateLimit           = "rateLimit"
	ErrNotFound            = "notFound"
	ErrInvalidPatch        = "invalidPatch"
	ErrWillDestroy         = "willDestroy"
	ErrInvalidProperties   = "invalidProperties"
	ErrSingleton           = "singleton"
	ErrAlreadyExists       = "alreadyExists"
	ErrMailboxHasChild     = "mailboxHasChild"
	ErrMailboxHasEmail     = "mailboxHasEmail"
	ErrBlobNotFound        = "blobNotFound"
	ErrTooManyKeywords     = "tooManyKeywords"
	ErrTooManyMailboxes    = "tooManyMailboxes"
	ErrInvalidEmail        = "invalidEmail"
	ErrTooManyRecipients   = "tooManyRecipients"
	ErrNoRecipients        = "noRecipients"
	ErrInvalidRecipients   = "invalidRecipients"
	ErrForbiddenMailFrom   = "forbiddenMailFrom"
	ErrForbiddenFrom       = "forbiddenFrom"
	ErrForbiddenToSend     = "forbiddenToSend"
	ErrCannotUnsend        = "cannotUnsend"
)
