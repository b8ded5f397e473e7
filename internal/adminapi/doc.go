// Package adminapi is what operators and the command line talk to: JSON over
// HTTP with an OpenAPI 3.1 document at /api/admin/openapi.json.
//
// There is no login: whoever reaches the API may do everything. It therefore
// listens only on a socket in the data folder whose mode is 0600
// ([Listen]), and must not be mounted on a network listener.
package adminapi
