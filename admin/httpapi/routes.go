package httpapi

import (
	"context"
	"net/http"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/mail"
)

// The paths of the operations. They and the JSON names of package admin are what other programs may rely on.
const (
	pathDomainAdd       = "/v1/domain/add"
	pathDomainList      = "/v1/domain/list"
	pathDomainUpdate    = "/v1/domain/update"
	pathDomainRemove    = "/v1/domain/remove"
	pathAccountAdd      = "/v1/account/add"
	pathAccountList     = "/v1/account/list"
	pathAccountShow     = "/v1/account/show"
	pathAccountUpdate   = "/v1/account/update"
	pathAccountPassword = "/v1/account/set-password"
	pathAccountRemove   = "/v1/account/remove"
	pathAliasAdd        = "/v1/alias/add"
	pathAliasList       = "/v1/alias/list"
	pathAliasRemove     = "/v1/alias/remove"
	pathQueueList       = "/v1/queue/list"
	pathQueueShow       = "/v1/queue/show"
	pathQueueAct        = "/v1/queue/act"
	pathDNSRecords      = "/v1/dns/records"
	pathDNSPublish      = "/v1/dns/publish"
	pathDoctor          = "/v1/doctor"
	pathDKIMList        = "/v1/dkim/list"
	pathDKIMRotate      = "/v1/dkim/rotate"
	pathBanList         = "/v1/ban/list"
	pathBanRemove       = "/v1/ban/remove"
	pathReports         = "/v1/reports/list"
	pathTrace           = "/v1/trace"
	pathSend            = "/v1/send"
	pathStatus          = "/v1/status"
	pathVerify          = "/v1/verify"
	pathCompact         = "/v1/compact"
)

// Handler answers requests with what op does.
func Handler(op admin.Operator) http.Handler {
	mux := http.NewServeMux()
	handle(mux, pathDomainAdd, op.AddDomain)
	handle(mux, pathDomainList, op.Domains)
	handle(mux, pathDomainUpdate, op.UpdateDomain)
	handle(mux, pathDomainRemove, op.RemoveDomain)
	handle(mux, pathAccountAdd, op.AddAccount)
	handle(mux, pathAccountList, op.Accounts)
	handle(mux, pathAccountShow, op.Account)
	handle(mux, pathAccountUpdate, op.UpdateAccount)
	handle(mux, pathAccountPassword, op.SetPassword)
	handle(mux, pathAccountRemove, op.RemoveAccount)
	handle(mux, pathAliasAdd, op.AddAlias)
	handle(mux, pathAliasList, op.Aliases)
	handle(mux, pathAliasRemove, op.RemoveAlias)
	handle(mux, pathQueueList, op.Queued)
	handle(mux, pathQueueShow, op.QueuedMessage)
	handle(mux, pathQueueAct, op.ActOnQueue)
	handle(mux, pathDNSRecords, op.Records)
	handle(mux, pathDNSPublish, op.Publish)
	handle(mux, pathDoctor, op.Examine)
	handle(mux, pathDKIMList, op.Keys)
	handle(mux, pathDKIMRotate, op.RotateKeys)
	handle(mux, pathBanList, op.Bans)
	handle(mux, pathBanRemove, op.Unban)
	handle(mux, pathReports, op.Reports)
	handle(mux, pathTrace, op.Trace)
	handle(mux, pathStatus, op.Status)
	handle(mux, pathCompact, op.Compact)
	mux.HandleFunc("POST "+pathSend, func(w http.ResponseWriter, r *http.Request) { serveSend(w, r, op) })
	mux.HandleFunc("POST "+pathVerify, func(w http.ResponseWriter, r *http.Request) { serveVerify(w, r, op) })
	mux.HandleFunc("POST "+pathExport, func(w http.ResponseWriter, r *http.Request) { serveExport(w, r, op) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		answerError(w, mail.Errorf(mail.NotFound, "this server has no operation %s %s; is it older than the command?", r.Method, r.URL.Path))
	})
	return mux
}

// handle serves one operation whose request and reply are each one JSON object.
func handle[Q, A any](mux *http.ServeMux, path string, do func(context.Context, Q) (A, error)) {
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		unary(w)
		var request Q
		if err := decode(http.MaxBytesReader(w, r.Body, maxRequest), &request); err != nil {
			answerError(w, err)
			return
		}
		arrived(w)
		reply, err := do(r.Context(), request)
		if err != nil {
			answerError(w, err)
			return
		}
		answer(w, http.StatusOK, reply)
	})
}
