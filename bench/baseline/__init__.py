"""The same settlement the plain way: a DRF view, one Celery task per call, a result backend, requests.

Same shapes, tables, triggers, row security, encryption, envelope and ledger as the platform; the same promise too (the
wish, then the call, are committed before anything is sent). What differs is how the work moves: row by row through the
ORM, request by request through the broker, a thread per waiting cashier.
"""
