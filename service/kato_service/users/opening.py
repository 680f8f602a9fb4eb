"""The parts that serve users as a whole."""

from dataclasses import dataclass

from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.configurations import UserConfigurations
from kato_service.knowledge.vectors.vector_store import VectorStore
from kato_service.sessions.erasing import SessionEraser
from kato_service.sessions.session_manager import SessionManager
from kato_service.sessions.store import SessionStore
from kato_service.settings.settings import Settings
from kato_service.users.bulk_deletion import BulkDeletion
from kato_service.users.directory import UserDirectory
from kato_service.users.erasing import UserEraser
from kato_service.users.exports import KnowledgeExports
from kato_service.users.growth import PatternGrowth
from kato_service.users.imports import KnowledgeImports
from kato_service.users.pattern_search import PatternSearch


@dataclass(frozen=True, slots=True)
class Users:
    configurations: UserConfigurations
    directory: UserDirectory
    eraser: UserEraser
    search: PatternSearch
    deletion: BulkDeletion
    exports: KnowledgeExports
    growth: PatternGrowth
    imports: KnowledgeImports


def users(
    settings: Settings,
    knowledge: KnowledgeBases,
    store: SessionStore,
    sessions: SessionManager,
    vectors: VectorStore | None,
    configurations: UserConfigurations,
) -> Users:
    instance = settings.processor_id
    directory = UserDirectory(instance, knowledge, sessions, vectors, configurations)
    erasing = SessionEraser(store, sessions)
    search = PatternSearch(knowledge)
    return Users(
        configurations,
        directory,
        UserEraser(instance, directory, knowledge, erasing, vectors),
        search,
        BulkDeletion(knowledge, search),
        KnowledgeExports(knowledge, vectors),
        PatternGrowth(knowledge),
        KnowledgeImports(knowledge, vectors, settings.max_import_bytes),
    )
