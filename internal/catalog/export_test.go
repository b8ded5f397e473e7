package catalog

// Label is label, for tests.
var Label = label
