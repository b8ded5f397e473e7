package app

// manySockets is the bound where the system sets none.
const manySockets = 1 << 20
