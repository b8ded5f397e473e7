// Package adminapi is what operators and the command line talk to: JSON over
// HTTP with an OpenAPI 3.1 document at /api/v1/openapi.json.
//
// [New] has no login: whoever reaches it may do everything. It therefore belongs
// on the socket in the data folder whose mode is 0600 ([Listen]), and must not
// be mounted on a network listener. [NewRemote] is for those: it asks for an API
// token, and each operation for the scope it declares.
package adminapi
