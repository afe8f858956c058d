package httpapi

import (
	"context"

	"github.com/postrider/postrider/admin"
)

// AddDomain implements admin.DomainOperator.
func (c *Client) AddDomain(ctx context.Context, r admin.NewDomain) (admin.Domain, error) {
	return call[admin.NewDomain, admin.Domain](ctx, c, pathDomainAdd, r)
}

// Domains implements admin.DomainOperator.
func (c *Client) Domains(ctx context.Context, r admin.Nothing) (admin.DomainList, error) {
	return call[admin.Nothing, admin.DomainList](ctx, c, pathDomainList, r)
}

// UpdateDomain implements admin.DomainOperator.
func (c *Client) UpdateDomain(ctx context.Context, r admin.DomainUpdate) (admin.Domain, error) {
	return call[admin.DomainUpdate, admin.Domain](ctx, c, pathDomainUpdate, r)
}

// RemoveDomain implements admin.DomainOperator.
func (c *Client) RemoveDomain(ctx context.Context, r admin.DomainName) (admin.Domain, error) {
	return call[admin.DomainName, admin.Domain](ctx, c, PathDomainRemove, r)
}

// AddAccount implements admin.AccountOperator.
func (c *Client) AddAccount(ctx context.Context, r admin.NewAccount) (admin.AddedAccount, error) {
	return call[admin.NewAccount, admin.AddedAccount](ctx, c, pathAccountAdd, r)
}

// Accounts implements admin.AccountOperator.
func (c *Client) Accounts(ctx context.Context, r admin.AccountFilter) (admin.AccountList, error) {
	return call[admin.AccountFilter, admin.AccountList](ctx, c, pathAccountList, r)
}

// Account implements admin.AccountOperator.
func (c *Client) Account(ctx context.Context, r admin.AccountName) (admin.AccountDetail, error) {
	return call[admin.AccountName, admin.AccountDetail](ctx, c, pathAccountShow, r)
}

// UpdateAccount implements admin.AccountOperator.
func (c *Client) UpdateAccount(ctx context.Context, r admin.AccountUpdate) (admin.Account, error) {
	return call[admin.AccountUpdate, admin.Account](ctx, c, PathAccountUpdate, r)
}

// SetPassword implements admin.AccountOperator.
func (c *Client) SetPassword(ctx context.Context, r admin.PasswordChange) (admin.PasswordChanged, error) {
	return call[admin.PasswordChange, admin.PasswordChanged](ctx, c, PathAccountPassword, r)
}

// RemoveAccount implements admin.AccountOperator.
func (c *Client) RemoveAccount(ctx context.Context, r admin.AccountName) (admin.Account, error) {
	return call[admin.AccountName, admin.Account](ctx, c, PathAccountRemove, r)
}

// AddAlias implements admin.AliasOperator.
func (c *Client) AddAlias(ctx context.Context, r admin.NewAlias) (admin.Alias, error) {
	return call[admin.NewAlias, admin.Alias](ctx, c, pathAliasAdd, r)
}

// Aliases implements admin.AliasOperator.
func (c *Client) Aliases(ctx context.Context, r admin.AliasFilter) (admin.AliasList, error) {
	return call[admin.AliasFilter, admin.AliasList](ctx, c, pathAliasList, r)
}

// RemoveAlias implements admin.AliasOperator.
func (c *Client) RemoveAlias(ctx context.Context, r admin.AliasName) (admin.Alias, error) {
	return call[admin.AliasName, admin.Alias](ctx, c, pathAliasRemove, r)
}

// Queued implements admin.QueueOperator.
func (c *Client) Queued(ctx context.Context, r admin.QueueFilter) (admin.QueueList, error) {
	return call[admin.QueueFilter, admin.QueueList](ctx, c, pathQueueList, r)
}

// QueuedMessage implements admin.QueueOperator.
func (c *Client) QueuedMessage(ctx context.Context, r admin.QueueNumber) (admin.QueueEntry, error) {
	return call[admin.QueueNumber, admin.QueueEntry](ctx, c, pathQueueShow, r)
}

// ActOnQueue implements admin.QueueOperator.
func (c *Client) ActOnQueue(ctx context.Context, r admin.QueueAction) (admin.QueueActed, error) {
	return call[admin.QueueAction, admin.QueueActed](ctx, c, pathQueueAct, r)
}

// Trace implements admin.MessageOperator.
func (c *Client) Trace(ctx context.Context, r admin.TraceQuery) (admin.TraceReport, error) {
	return call[admin.TraceQuery, admin.TraceReport](ctx, c, pathTrace, r)
}

// Status implements admin.SystemOperator.
func (c *Client) Status(ctx context.Context, r admin.Nothing) (admin.Status, error) {
	return call[admin.Nothing, admin.Status](ctx, c, pathStatus, r)
}

// Compact implements admin.SystemOperator.
func (c *Client) Compact(ctx context.Context, r admin.Nothing) (admin.CompactReport, error) {
	return call[admin.Nothing, admin.CompactReport](ctx, c, pathCompact, r)
}

// Records implements admin.TrustOperator.
func (c *Client) Records(ctx context.Context, r admin.RecordsFor) (admin.RecordList, error) {
	return call[admin.RecordsFor, admin.RecordList](ctx, c, pathDNSRecords, r)
}

// Publish implements admin.TrustOperator.
func (c *Client) Publish(ctx context.Context, r admin.RecordsFor) (admin.RecordList, error) {
	return call[admin.RecordsFor, admin.RecordList](ctx, c, pathDNSPublish, r)
}

// Examine implements admin.TrustOperator.
func (c *Client) Examine(ctx context.Context, r admin.Examination) (admin.Diagnosis, error) {
	return call[admin.Examination, admin.Diagnosis](ctx, c, pathDoctor, r)
}

// Keys implements admin.TrustOperator.
func (c *Client) Keys(ctx context.Context, r admin.DomainName) (admin.KeyList, error) {
	return call[admin.DomainName, admin.KeyList](ctx, c, pathDKIMList, r)
}

// RotateKeys implements admin.TrustOperator.
func (c *Client) RotateKeys(ctx context.Context, r admin.DomainName) (admin.Rotation, error) {
	return call[admin.DomainName, admin.Rotation](ctx, c, pathDKIMRotate, r)
}

// Bans implements admin.TrustOperator.
func (c *Client) Bans(ctx context.Context, r admin.Nothing) (admin.BanList, error) {
	return call[admin.Nothing, admin.BanList](ctx, c, pathBanList, r)
}

// Unban implements admin.TrustOperator.
func (c *Client) Unban(ctx context.Context, r admin.BanName) (admin.BanList, error) {
	return call[admin.BanName, admin.BanList](ctx, c, pathBanRemove, r)
}

// Reports implements admin.TrustOperator.
func (c *Client) Reports(ctx context.Context, r admin.ReportFilter) (admin.ReportList, error) {
	return call[admin.ReportFilter, admin.ReportList](ctx, c, pathReports, r)
}

// Alias implements admin.AliasOperator.
func (c *Client) Alias(ctx context.Context, r admin.AliasName) (admin.Alias, error) {
	return call[admin.AliasName, admin.Alias](ctx, c, pathAliasShow, r)
}

// CheckAlias implements admin.AliasOperator.
func (c *Client) CheckAlias(ctx context.Context, r admin.NewAlias) (admin.Alias, error) {
	return call[admin.NewAlias, admin.Alias](ctx, c, pathAliasCheck, r)
}

// UpdateAlias implements admin.AliasOperator.
func (c *Client) UpdateAlias(ctx context.Context, r admin.AliasUpdate) (admin.Alias, error) {
	return call[admin.AliasUpdate, admin.Alias](ctx, c, pathAliasUpdate, r)
}

// Charts implements admin.PageOperator.
func (c *Client) Charts(ctx context.Context, r admin.ChartQuery) (admin.Charts, error) {
	return call[admin.ChartQuery, admin.Charts](ctx, c, pathCharts, r)
}

// Certificates implements admin.PageOperator.
func (c *Client) Certificates(ctx context.Context, r admin.Nothing) (admin.CertificateList, error) {
	return call[admin.Nothing, admin.CertificateList](ctx, c, pathCertificates, r)
}

// Nodes implements admin.PageOperator.
func (c *Client) Nodes(ctx context.Context, r admin.Nothing) (admin.NodeList, error) {
	return call[admin.Nothing, admin.NodeList](ctx, c, pathNodes, r)
}

// Limits implements admin.PageOperator.
func (c *Client) Limits(ctx context.Context, r admin.Nothing) (admin.LimitReport, error) {
	return call[admin.Nothing, admin.LimitReport](ctx, c, pathLimits, r)
}

// Audit implements admin.AuditOperator.
func (c *Client) Audit(ctx context.Context, r admin.AuditFilter) (admin.AuditList, error) {
	return call[admin.AuditFilter, admin.AuditList](ctx, c, pathAudit, r)
}
