"""The component `embre_relation`: from the candidates of a document to its relations."""

from .component import EmbreRelation, find_component
