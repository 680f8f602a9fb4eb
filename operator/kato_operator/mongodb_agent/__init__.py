"""The agent next to every MongoDB server: initiates the set, keeps users, reports readiness.

It runs in the server's pod and connects over localhost, the only place from which MongoDB allows
the first user to be created; so the operator needs no access to the pod.
"""
